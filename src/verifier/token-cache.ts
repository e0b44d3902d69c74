import type { TokenClaims } from './claims.ts'
import type { KnownKey } from './key-set.ts'
import type { RevocableToken } from './revocation-set.ts'

/** A token whose signature, issuer and audience held for this verifier. Only its end can change that. */
export interface CheckedToken {
  readonly claims: TokenClaims
  readonly key: KnownKey
  readonly revocable: RevocableToken
  /** Turns true once and never false again. */
  isRevoked: boolean
}

/**
 * Checked tokens by the SHA-256 of the whole token, in two generations: what was not used while `capacity` / 2 others
 * were is forgotten. One verifier, one cache: a token that passed elsewhere has not passed here.
 */
export class TokenCache {
  readonly #generationSize: number
  #young = new Map<string, CheckedToken>()
  #old = new Map<string, CheckedToken>()

  constructor(capacity: number) {
    this.#generationSize = Math.ceil(capacity / 2)
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(digest: string): CheckedToken | undefined {
    const young = this.#young.get(digest)
    if (young !== undefined) return young
    const old = this.#old.get(digest)
    if (old === undefined) return undefined
    this.#old.delete(digest)
    this.#insert(digest, old)
    return old
  }

  /** Answers the entry to use: a revoked one stays, whoever comes later with an older view. */
  put(digest: string, checked: CheckedToken): CheckedToken {
    const known = this.get(digest)
    if (known?.isRevoked) return known
    this.#insert(digest, checked)
    return checked
  }

  #insert(digest: string, checked: CheckedToken): void {
    if (this.#young.size >= this.#generationSize) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(digest, checked)
  }
}
