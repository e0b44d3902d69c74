/** One revocation as it is stored and told. */
export interface LiveRevocation {
  readonly id: string
  readonly kind: 'grant' | 'token' | 'subject' | 'resource'
  readonly target: string
  /** Whose verifiers need to know; null means every resource. */
  readonly resource: string | null
  readonly at: Date
  /** By then every token that it concerns has expired. */
  readonly forgetAt: Date
}

/** What is looked up for one token. */
export interface RevocableToken {
  readonly jti: string
  readonly grantId: string
  readonly subject: string
  readonly resource: string
}

/** The revocations that still matter, in memory, found by what they concern. */
export class LiveRevocations {
  readonly #byId = new Map<string, LiveRevocation>()
  /** Kind and target → the latest time at which one of them may be forgotten, in ms. */
  readonly #forgetAt = new Map<string, number>()

  /** False when it was known already. */
  add(revocation: LiveRevocation): boolean {
    if (this.#byId.has(revocation.id)) return false
    this.#byId.set(revocation.id, revocation)
    const key = keyOf(revocation.kind, revocation.target)
    const until = revocation.forgetAt.getTime()
    this.#forgetAt.set(key, Math.max(until, this.#forgetAt.get(key) ?? 0))
    return true
  }

  /** Drops what no token can meet any more at `now`. */
  forget(now: Date): void {
    for (const { id, kind, target, forgetAt } of this.#byId.values()) {
      if (forgetAt > now) continue
      this.#byId.delete(id)
      const key = keyOf(kind, target)
      if ((this.#forgetAt.get(key) ?? 0) <= now.getTime()) this.#forgetAt.delete(key)
    }
  }

  /** Whether any revocation concerns the token: by id, grant, subject or resource. */
  isRevoked({ jti, grantId, subject, resource }: RevocableToken): boolean {
    const known = this.#forgetAt
    return (
      known.size > 0 &&
      (known.has(keyOf('token', jti)) ||
        known.has(keyOf('grant', grantId)) ||
        known.has(keyOf('subject', subject)) ||
        known.has(keyOf('resource', resource)))
    )
  }

  /** Those that the verifiers of one resource need to know, oldest first. */
  concerning(resource: string): readonly LiveRevocation[] {
    return [...this.#byId.values()].filter(
      (revocation) => revocation.resource === null || revocation.resource === resource,
    )
  }
}

function keyOf(kind: LiveRevocation['kind'], target: string): string {
  return `${kind}:${target}`
}
