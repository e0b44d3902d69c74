import type { Revocation } from './revocation.ts'

/** What is looked up for one token. */
export interface RevocableToken {
  readonly tokenId: string
  readonly grantId: string
  readonly subject: string
  /** milliseconds since the epoch */
  readonly issuedAt: number
}

/** How long an entry is kept after the broker may forget it. */
const graceMilliseconds = 60_000

/**
 * The live revocations of this verifier's resource. Entries are only added; a later snapshot that lacks one does not
 * take it back, because it may come from a replica that is a moment behind. Times are the database's.
 */
export class RevocationSet {
  readonly #forgetAt = {
    token: new Map<string, number>(),
    grant: new Map<string, number>(),
    subject: new Map<string, number>(),
    resource: new Map<string, number>(),
  }
  #size = 0

  get size(): number {
    return this.#size
  }

  /** False when it was known already. */
  add({ kind, target, forgetAt }: Revocation): boolean {
    const known = this.#forgetAt[kind]
    const before = known.get(target)
    if (before !== undefined && before >= forgetAt) return false
    known.set(target, forgetAt)
    if (before === undefined) this.#size += 1
    return true
  }

  /**
   * Whether any entry concerns the token. Of a subject or a resource only what existed is revoked: tokens that were
   * issued after `forget_at` are new.
   */
  concerns(token: RevocableToken, now: number): boolean {
    const { token: tokens, grant, subject, resource } = this.#forgetAt
    if (tokens.has(token.tokenId) || grant.has(token.grantId)) return true
    if (isCovered(subject.get(token.subject), token, now)) return true
    if (resource.size === 0) return false
    // the feed tells a resource's verifier of no other resource
    return [...resource.values()].some((forgetAt) => isCovered(forgetAt, token, now))
  }

  /** Drops what no token can meet any more. */
  forget(now: number): void {
    for (const known of Object.values(this.#forgetAt)) {
      for (const [target, forgetAt] of known) {
        if (forgetAt + graceMilliseconds <= now && known.delete(target)) this.#size -= 1
      }
    }
  }
}

function isCovered(forgetAt: number | undefined, token: RevocableToken, now: number): boolean {
  return forgetAt !== undefined && forgetAt > now && forgetAt > token.issuedAt
}
