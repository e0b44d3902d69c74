import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import type { SecretBox } from '../context.ts'
import { HallpassError } from '../errors.ts'

const formatVersion = 1
const keyIdBytes = 8
const nonceBytes = 12
const tagBytes = 16
const headerBytes = 1 + keyIdBytes

/** The keys that secrets at rest are encrypted with, 32 bytes each. */
export interface MasterKeys {
  readonly masterKey: Uint8Array
  /** Opens what an older master key sealed, while the key is being changed. */
  readonly previousMasterKey?: Uint8Array | undefined
}

interface EncryptionKey {
  readonly id: Buffer
  readonly key: Buffer
}

/**
 * AES-256-GCM with the master key. A sealed value is: format version (1 byte), key id (8), nonce (12),
 * ciphertext, tag (16); version, key id and the row's identity are associated data. Opening throws
 * `cannot_decide`, naming HALLPASS_MASTER_KEY when the key is another one.
 */
export function createSecretBox(keys: MasterKeys): SecretBox {
  const current = encryptionKey(keys.masterKey, 'HALLPASS_MASTER_KEY')
  const known = [current]
  if (keys.previousMasterKey !== undefined) {
    known.push(encryptionKey(keys.previousMasterKey, 'HALLPASS_MASTER_KEY_PREVIOUS'))
  }
  return {
    seal: (plaintext, identity) => seal(current, plaintext, identity),
    open: (sealed, identity) => open(known, sealed, identity),
  }
}

/** Whether `sealed` waits to be sealed again because the master key was changed. */
export function isSealedWithOlderKey(box: SecretBox, sealed: Uint8Array): boolean {
  const header = box.seal(new Uint8Array(), 'probe').subarray(0, headerBytes)
  return !header.equals(sealed.subarray(0, headerBytes))
}

function encryptionKey(bytes: Uint8Array, variable: string): EncryptionKey {
  if (bytes.length !== 32) {
    throw new HallpassError(
      'cannot_decide',
      `${variable} must be 32 bytes in base64, and holds ${bytes.length}. Make one with: openssl rand -base64 32`,
    )
  }
  const key = Buffer.from(bytes)
  const id = createHmac('sha256', key).update('hallpass master key id').digest()
  return { id: id.subarray(0, keyIdBytes), key }
}

function seal(key: EncryptionKey, plaintext: Uint8Array, identity: string): Buffer {
  const header = Buffer.concat([Buffer.of(formatVersion), key.id])
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key.key, nonce)
  cipher.setAAD(associatedData(header, identity))
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([header, nonce, ciphertext, cipher.getAuthTag()])
}

function open(known: readonly EncryptionKey[], sealed: Uint8Array, identity: string): Buffer {
  const bytes = Buffer.from(sealed)
  if (bytes.length < headerBytes + nonceBytes + tagBytes || bytes[0] !== formatVersion) {
    throw damaged(identity)
  }
  const header = bytes.subarray(0, headerBytes)
  const key = known.find(({ id }) => id.equals(header.subarray(1)))
  if (key === undefined) {
    throw new HallpassError(
      'cannot_decide',
      `HALLPASS_MASTER_KEY is not the key that encrypted ${identity}. Start with the key this database was used with; during a change of keys set the older one as HALLPASS_MASTER_KEY_PREVIOUS.`,
    )
  }
  const nonce = bytes.subarray(headerBytes, headerBytes + nonceBytes)
  const decipher = createDecipheriv('aes-256-gcm', key.key, nonce, { authTagLength: tagBytes })
  decipher.setAAD(associatedData(header, identity))
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
  try {
    const body = bytes.subarray(headerBytes + nonceBytes, bytes.length - tagBytes)
    return Buffer.concat([decipher.update(body), decipher.final()])
  } catch {
    throw damaged(identity)
  }
}

function associatedData(header: Buffer, identity: string): Buffer {
  return Buffer.concat([header, Buffer.from(identity, 'utf8')])
}

function damaged(identity: string): HallpassError {
  return new HallpassError(
    'cannot_decide',
    `The encrypted value of ${identity} was altered or belongs to another row. Restore it from a backup, or replace the secret.`,
  )
}
