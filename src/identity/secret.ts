import { hash, timingSafeEqual } from 'node:crypto'

/** How secrets rest in the database. They have 256 random bits, so one SHA-256 is enough. */
export function hashSecret(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}

/** Compares without telling by time how much is right. */
export function isSameHash(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}
