import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openCheckpoint, signCheckpoint } from '../../src/audit/checkpoint.ts'
import {
  formatVerifierKey,
  NoteFault,
  openNote,
  parseVerifierKey,
  signNote,
} from '../../src/audit/signed-note.ts'

// The vector of golang.org/x/mod/sumdb/note: every implementation of the format must reproduce it.
const peter = {
  verifier: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  seed: Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64').subarray(1),
  text: "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
  signature:
    '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
}

function keyOfSeed(seed: Buffer): KeyObject {
  const header = Buffer.from('302e020100300506032b657004220420', 'hex')
  return createPrivateKey({ key: Buffer.concat([header, seed]), format: 'der', type: 'pkcs8' })
}

function faultOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof NoteFault) return error.kind
    throw error
  }
  return 'none'
}

describe('a signed note', () => {
  const peterKey = { name: 'PeterNeumann', privateKey: keyOfSeed(peter.seed) }
  const verifier = parseVerifierKey(peter.verifier)
  const note = `${peter.text}\n${peter.signature}`

  it('comes out byte for byte as the reference implementation signs it', () => {
    expect(formatVerifierKey(peterKey)).toBe(peter.verifier)
    expect(signNote(peter.text, peterKey)).toBe(note)
    expect(openNote(note, verifier)).toBe(peter.text)
  })

  it('is refused after any change of its text', () => {
    fc.assert(
      fc.property(fc.nat(peter.text.length - 2), (at) => {
        fc.pre(peter.text[at] !== '\n')
        const changed = `${peter.text.slice(0, at)}#${peter.text.slice(at + 1)}`
        expect(faultOf(() => openNote(`${changed}\n${peter.signature}`, verifier))).toBe(
          'bad_signature',
        )
      }),
    )
  })

  it('is accepted beside signatures of keys that are not known', () => {
    const witness = generateKeyPairSync('ed25519').privateKey
    const countersigned = signNote(peter.text, { name: 'witness', privateKey: witness })
    const both = note + countersigned.slice(peter.text.length + 1)
    expect(openNote(both, verifier)).toBe(peter.text)
    expect(faultOf(() => openNote(countersigned, verifier))).toBe('unknown_key')
  })

  it('is refused when it only uses the name of the key', () => {
    const impostor = generateKeyPairSync('ed25519').privateKey
    const forged = signNote(peter.text, { name: 'PeterNeumann', privateKey: impostor })
    expect(faultOf(() => openNote(forged, verifier))).toBe('unknown_key')
  })

  it.each([
    ['nothing', ''],
    ['no signature', `${peter.text}\n`],
    ['no blank line', peter.text + peter.signature],
    ['no last newline', note.slice(0, -1)],
    [
      'a signature with a hyphen for the dash',
      `${peter.text}\n${peter.signature.replace('—', '-')}`,
    ],
    ['a control character', `${peter.text.replace('is', 'i\x07s')}\n${peter.signature}`],
    ['a carriage return', note.replace('problem,\n', 'problem,\r\n')],
    ['words after the signature', `${note}and more\n`],
  ])('is malformed with %s', (_, text) => {
    expect(faultOf(() => openNote(text, verifier))).toBe('malformed')
  })

  it('is malformed with a signature that was cut short', () => {
    const cut = `${peter.text}\n— PeterNeumann ${Buffer.from('c74f20a300', 'hex').toString('base64')}\n`
    expect(faultOf(() => openNote(cut, verifier))).toBe('malformed')
  })

  it.each([
    ['a part missing', peter.verifier.slice(1)],
    ['its end missing', peter.verifier.slice(0, -1)],
    ['another hash', peter.verifier.replace('c74f20a3', 'c74f20a4')],
    ['another algorithm', keyText('PeterNeumann', Buffer.of(2, ...Buffer.alloc(32, 1)))],
    ['a short key', keyText('PeterNeumann', Buffer.of(1, ...Buffer.alloc(31, 1)))],
  ])('has no verifier key with %s', (_, text) => {
    expect(faultOf(() => parseVerifierKey(text))).toBe('malformed')
  })

  function keyText(name: string, encoded: Buffer): string {
    const hash = createHash('sha256').update(`${name}\n`).update(encoded).digest('hex').slice(0, 8)
    return `${name}+${hash}+${encoded.toString('base64')}`
  }
})

describe('a checkpoint', () => {
  const key = {
    name: 'hallpass.example.com',
    privateKey: generateKeyPairSync('ed25519').privateKey,
  }
  const verifier = parseVerifierKey(formatVerifierKey(key))
  const root = createHash('sha256').update('root').digest()

  it('states origin, size and root, one a line, under the signature', () => {
    const note = signCheckpoint({ size: 20_852_163, root }, key)
    expect(note.split('\n').slice(0, 4)).toEqual([
      'hallpass.example.com',
      '20852163',
      root.toString('base64'),
      '',
    ])
    expect(note.split('\n')).toHaveLength(6)
  })

  it('reads back as it was signed', () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (size, bytes) => {
          const tree = { size, root: Buffer.from(bytes) }
          expect(openCheckpoint(signCheckpoint(tree, key), verifier)).toEqual({
            origin: key.name,
            ...tree,
          })
        },
      ),
    )
  })

  it('may carry extension lines', () => {
    const note = signNote(`${key.name}\n7\n${root.toString('base64')}\nextension\n`, key)
    expect(openCheckpoint(note, verifier).size).toBe(7)
  })

  const body = (size: string, rootText = root.toString('base64')) =>
    `${key.name}\n${size}\n${rootText}\n`
  it.each([
    ['a leading zero', body('07')],
    ['a sign', body('+7')],
    ['a fraction', body('7.5')],
    ['an unsafe size', body('9007199254740993')],
    ['a short root', body('7', root.subarray(1).toString('base64'))],
    ['a root in base64url', body('7', `${'_'.repeat(42)}8=`)],
    ['no root', `${key.name}\n7\n`],
    ['no origin', `\n7\n${root.toString('base64')}\n`],
  ])('is malformed with %s, though well signed', (_, text) => {
    expect(faultOf(() => openCheckpoint(signNote(text, key), verifier))).toBe('malformed')
  })

  it('of another log is refused though this key signed it', () => {
    const note = signNote(`other.example.com\n7\n${root.toString('base64')}\n`, key)
    expect(faultOf(() => openCheckpoint(note, verifier))).toBe('unknown_key')
  })
})
