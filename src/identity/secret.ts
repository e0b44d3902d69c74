import { createHash, timingSafeEqual } from 'node:crypto'

/** How secrets rest in the database. They have 256 random bits, so one SHA-256 is enough. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** Compares without telling by time how much is right. */
export function isSameHash(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}
