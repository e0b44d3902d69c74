import { describe, expect, it } from 'vitest'
import { createSecretBox, isSealedWithOlderKey } from '../../src/tokens/secret-box.ts'

const masterKey = Buffer.alloc(32, 1)
const otherKey = Buffer.alloc(32, 2)
const secret = Buffer.from('the private part of a key')

describe('a secret at rest', () => {
  const box = createSecretBox({ masterKey })

  it('opens again, whatever its length', () => {
    for (const length of [0, 1, 15, 16, 17, 4096]) {
      const plaintext = Buffer.alloc(length, 5)
      expect(box.open(box.seal(plaintext, 'row 1'), 'row 1')).toEqual(plaintext)
    }
  })

  it('holds nothing of the plaintext, and is never sealed twice the same way', () => {
    const first = box.seal(secret, 'row 1')
    expect(first.includes(secret)).toBe(false)
    expect(first.equals(box.seal(secret, 'row 1'))).toBe(false)
  })

  it('says nothing of the master key but a short digest', () => {
    const sealed = createSecretBox({ masterKey: Buffer.from('0123456789abcdef0123456789abcdef') })
      .seal(secret, 'row 1')
      .toString('latin1')
    expect(sealed).not.toContain('01234567')
  })

  it('does not open in another row', () => {
    expect(() => box.open(box.seal(secret, 'row 1'), 'row 2')).toThrowError(
      expect.objectContaining({
        code: 'cannot_decide',
        message: expect.stringContaining('belongs to another row'),
      }),
    )
  })

  it('does not open when any one bit was changed', () => {
    const sealed = box.seal(secret, 'row 1')
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed)
      changed[index] = (changed[index] ?? 0) ^ 1
      expect(() => box.open(changed, 'row 1'), `byte ${index}`).toThrowError(
        expect.objectContaining({ code: 'cannot_decide' }),
      )
    }
  })

  it('does not open when it was cut short', () => {
    const sealed = box.seal(secret, 'row 1')
    for (const length of [0, 1, 9, 36, sealed.length - 1]) {
      expect(() => box.open(sealed.subarray(0, length), 'row 1')).toThrowError(/altered/)
    }
  })
})

describe('another master key', () => {
  const sealed = createSecretBox({ masterKey }).seal(secret, 'row 1')

  it('is refused by name, and told how to mend it', () => {
    expect(() => createSecretBox({ masterKey: otherKey }).open(sealed, 'row 1')).toThrowError(
      expect.objectContaining({
        code: 'cannot_decide',
        message: expect.stringMatching(
          /HALLPASS_MASTER_KEY is not the key.*HALLPASS_MASTER_KEY_PREVIOUS/,
        ),
      }),
    )
  })

  it('opens older values while the older key is given as the previous one', () => {
    const box = createSecretBox({ masterKey: otherKey, previousMasterKey: masterKey })
    expect(box.open(sealed, 'row 1')).toEqual(secret)
    expect(isSealedWithOlderKey(box, sealed)).toBe(true)
    const again = box.seal(secret, 'row 1')
    expect(isSealedWithOlderKey(box, again)).toBe(false)
    expect(createSecretBox({ masterKey: otherKey }).open(again, 'row 1')).toEqual(secret)
  })

  it('of the wrong length is refused when the broker starts', () => {
    for (const length of [0, 16, 31, 33]) {
      expect(() => createSecretBox({ masterKey: Buffer.alloc(length) })).toThrowError(
        /HALLPASS_MASTER_KEY must be 32 bytes/,
      )
    }
    expect(() => createSecretBox({ masterKey, previousMasterKey: Buffer.alloc(5) })).toThrowError(
      /HALLPASS_MASTER_KEY_PREVIOUS must be 32 bytes/,
    )
  })
})
