import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

/** Why a note is not to be believed. */
export type NoteFaultKind = 'malformed' | 'unknown_key' | 'bad_signature'

export class NoteFault extends Error {
  readonly kind: NoteFaultKind

  constructor(kind: NoteFaultKind, message: string) {
    super(message)
    this.name = 'NoteFault'
    this.kind = kind
  }
}

/** A public key as C2SP signed-note publishes it: `name+hash+key`. */
export interface VerifierKey {
  readonly name: string
  /** 4 bytes that hint at the key */
  readonly keyHash: Buffer
  readonly publicKey: KeyObject
}

export interface SignerKey {
  readonly name: string
  /** Ed25519 */
  readonly privateKey: KeyObject
}

const ed25519Algorithm = 1
/** key hash and Ed25519 signature */
const signatureBytes = 4 + 64
const signatureLine = /^— (?<name>[^\s+]+) (?<signature>[A-Za-z0-9+/]+={0,2})$/u

/** The verifier key of an Ed25519 key, in the text form that is published. */
export function formatVerifierKey(key: SignerKey): string {
  const encoded = encodedPublicKey(createPublicKey(key.privateKey))
  const hash = keyHashOf(key.name, encoded).toString('hex')
  return `${key.name}+${hash}+${encoded.toString('base64')}`
}

/** Reads a published verifier key. Throws NoteFault `malformed`, also when its hash is not its own. */
export function parseVerifierKey(text: string): VerifierKey {
  const match = /^(?<name>[^\s+]+)\+(?<hash>[0-9a-f]{8})\+(?<key>[A-Za-z0-9+/]+={0,2})$/u.exec(text)
  const { name, hash, key } = match?.groups ?? {}
  if (name === undefined || hash === undefined || key === undefined) {
    throw new NoteFault('malformed', 'This is not a verifier key (name+hash+key).')
  }
  const encoded = Buffer.from(key, 'base64')
  const isEd25519 = encoded.length === 33 && encoded[0] === ed25519Algorithm
  const keyHash = keyHashOf(name, encoded)
  if (!isEd25519 || encoded.toString('base64') !== key || keyHash.toString('hex') !== hash) {
    throw new NoteFault('malformed', 'This verifier key is damaged, or is not an Ed25519 key.')
  }
  const x = encoded.subarray(1).toString('base64url')
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return { name, keyHash, publicKey }
}

/** Signs `text` (lines, each ended by a newline) as a C2SP signed note. */
export function signNote(text: string, key: SignerKey): string {
  if (!text.endsWith('\n')) throw new NoteFault('malformed', 'A note ends with a newline.')
  const hash = keyHashOf(key.name, encodedPublicKey(createPublicKey(key.privateKey)))
  const signature = sign(null, Buffer.from(text, 'utf8'), key.privateKey)
  return `${text}\n— ${key.name} ${Buffer.concat([hash, signature]).toString('base64')}\n`
}

/**
 * The text of a note that this key signed. Throws NoteFault: `malformed`, `unknown_key` when this key did not
 * sign, `bad_signature` when it did and the signature is wrong. Signatures by other keys do not matter.
 */
export function openNote(note: string, key: VerifierKey): string {
  const split = note.lastIndexOf('\n\n')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a note may hold no control characters
  if (split < 1 || !note.endsWith('\n') || /[\x00-\x09\x0b-\x1f]/.test(note)) {
    throw new NoteFault('malformed', 'This is not a signed note.')
  }
  const text = note.slice(0, split + 1)
  let isSigned = false
  for (const line of note.slice(split + 2, -1).split('\n')) {
    const { name, signature } = signatureLine.exec(line)?.groups ?? {}
    if (name === undefined || signature === undefined) {
      throw new NoteFault('malformed', 'This note has a line that is no signature.')
    }
    const bytes = Buffer.from(signature, 'base64')
    if (bytes.length < 5) throw new NoteFault('malformed', 'A signature was cut short.')
    if (name !== key.name || !bytes.subarray(0, 4).equals(key.keyHash)) continue
    if (bytes.length !== signatureBytes) {
      throw new NoteFault('malformed', 'The signature of this note was cut short.')
    }
    if (!verify(null, Buffer.from(text, 'utf8'), key.publicKey, bytes.subarray(4))) {
      throw new NoteFault('bad_signature', 'The signature of this note is wrong.')
    }
    isSigned = true
  }
  if (!isSigned) throw new NoteFault('unknown_key', 'This note was signed by another key.')
  return text
}

function encodedPublicKey(publicKey: KeyObject): Buffer {
  const { x } = publicKey.export({ format: 'jwk' })
  return Buffer.concat([Buffer.of(ed25519Algorithm), Buffer.from(x ?? '', 'base64url')])
}

function keyHashOf(name: string, encodedKey: Buffer): Buffer {
  return createHash('sha256').update(`${name}\n`).update(encodedKey).digest().subarray(0, 4)
}
