import { hash } from 'node:crypto'
import type { Clock } from './clock.ts'
import { longestToken } from './compact-token.ts'
import type { Confirmation } from './confirmation.ts'
import type { Counters } from './counters.ts'
import { holdsScope, meetsAuthentication } from './demands.ts'
import { databaseTimeOf, laterTime, type Reading } from './freshness.ts'
import type { KeySet } from './key-set.ts'
import { checkProof } from './proof.ts'
import { type RefusalFacts, refusal, stepUpRefusal, unprovenRefusal } from './refusal.ts'
import type { ReplayMemory } from './replay-memory.ts'
import type { WhenCutOff } from './revocation.ts'
import type { RevocationFeed } from './revocation-feed.ts'
import type { RevocationSet } from './revocation-set.ts'
import {
  type Candidate,
  checkCandidate,
  readCandidate,
  type TokenPolicy,
} from './signature-check.ts'
import type { CheckedToken, TokenCache } from './token-cache.ts'
import { faultInTime } from './token-times.ts'
import type { VerifyOptions } from './verifier.ts'
import type { VerifyError, VerifyErrorCode } from './verify-error.ts'

/** Where revocations are learnt from; absent when the service does without. */
export interface RevocationSource {
  readonly feed: RevocationFeed
  readonly set: RevocationSet
  readonly confirmation: Confirmation
}

export interface JudgeParts {
  readonly clock: Clock
  readonly keys: KeySet
  readonly revocations: RevocationSource | undefined
  readonly cache: TokenCache
  readonly replays: ReplayMemory
  readonly counters: Counters
  readonly policy: TokenPolicy
  readonly resourceMetadata: string | undefined
  readonly whenCutOff: () => WhenCutOff
  /** Resolves when keys and first snapshot are in, or when that took too long. */
  readonly untilStarted: () => Promise<void>
  readonly isStarted: () => boolean
  readonly isStopped: () => boolean
}

/** Decides about tokens: at once when memory suffices, else by asking. Every refusal is thrown as `VerifyError`. */
export class TokenJudge {
  readonly #parts: JudgeParts
  readonly #provenBy = new WeakMap<object, string>()

  constructor(parts: JudgeParts) {
    this.#parts = parts
  }

  judge(token: unknown, options: VerifyOptions): CheckedToken | Promise<CheckedToken> {
    if (token === undefined || token === null || token === '') throw this.#refuse('token_missing')
    if (typeof token !== 'string' || token.length > longestToken) {
      throw this.#refuse('token_malformed')
    }
    const { isStarted, isStopped } = this.#parts
    if (isStopped()) throw this.#refuse('cannot_decide')
    const digest = hash('sha256', token, 'base64')
    if (!isStarted()) return this.#judgeWhenStarted(digest, token, options)
    const checked = this.#find(digest, token)
    if ('compact' in checked) return this.#judgeUnknownKey(checked, digest, token, options)
    return this.#judgeChecked(checked, digest, token, options)
  }

  async #judgeWhenStarted(
    digest: string,
    token: string,
    options: VerifyOptions,
  ): Promise<CheckedToken> {
    await this.#parts.untilStarted()
    if (this.#parts.isStopped()) throw this.#refuse('cannot_decide')
    const checked = this.#find(digest, token)
    if ('compact' in checked) return this.#judgeUnknownKey(checked, digest, token, options)
    return this.#judgeChecked(checked, digest, token, options)
  }

  async #judgeUnknownKey(
    candidate: Candidate,
    digest: string,
    token: string,
    options: VerifyOptions,
  ): Promise<CheckedToken> {
    const key = await this.#parts.keys.lookUp(candidate.kid)
    if (key === 'unreadable') throw this.#refuse('cannot_decide')
    if (key === undefined) throw this.#refuse('signature_invalid')
    const checked = this.#find(digest, token)
    if ('compact' in checked) throw this.#refuse('signature_invalid')
    return this.#judgeChecked(checked, digest, token, options)
  }

  #judgeChecked(
    checked: CheckedToken,
    digest: string,
    token: string,
    options: VerifyOptions,
  ): CheckedToken | Promise<CheckedToken> {
    const { keys, revocations } = this.#parts
    const now = this.#read()
    this.#requireLive(checked, now)
    if (!keys.isTrusted(now.monotonic)) throw this.#refuse('cannot_decide', checked)
    if (revocations === undefined || revocations.feed.isFreshAt(now)) {
      return this.#grant(checked, token, options, now)
    }
    return this.#judgeByAsking(checked, digest, token, options)
  }

  async #judgeByAsking(
    checked: CheckedToken,
    digest: string,
    token: string,
    options: VerifyOptions,
  ): Promise<CheckedToken> {
    const { revocations, whenCutOff, counters, cache, isStopped } = this.#parts
    const result = await revocations?.confirmation.confirm(digest, token, options.scope)
    if (isStopped()) throw this.#refuse('cannot_decide', checked)
    if (result === 'inactive') {
      checked.isRevoked = true
      cache.put(digest, checked)
      throw this.#refuse('token_revoked', checked)
    }
    if (!checked.key.isPublished) throw this.#refuse('signature_invalid')
    if (result === 'cut_off' && whenCutOff() === 'refuse') {
      throw this.#refuse('cannot_decide', checked)
    }
    const now = this.#read()
    this.#requireLive(checked, now)
    const granted = this.#grant(checked, token, options, now)
    if (result === 'cut_off') counters.acceptedWhileCutOff += 1
    return granted
  }

  /** The token as it was checked before, or now; a candidate when its key is not known. */
  #find(digest: string, token: string): CheckedToken | Candidate {
    const { cache, keys, counters, policy } = this.#parts
    const known = cache.get(digest)
    if (known?.key.isPublished) return known
    const candidate = readCandidate(token)
    if (typeof candidate === 'string') throw this.#refuse(candidate)
    const key = keys.find(candidate.kid)
    if (key === undefined) return candidate
    counters.signatureChecks += 1
    const claims = checkCandidate(candidate, key, policy)
    if (typeof claims === 'string') throw this.#refuse(claims)
    const { tokenId, grantId, subject } = claims.access
    const revocable = { tokenId, grantId, subject, issuedAt: claims.issuedAt * 1000 }
    return cache.put(digest, { claims, key, revocable, isRevoked: false })
  }

  /** What may have changed since the token was checked: the time, and what was revoked. */
  #requireLive(checked: CheckedToken, now: Reading): void {
    const { revocations } = this.#parts
    const { claims } = checked
    const fault = faultInTime(claims, laterTime(revocations?.feed.proof, now))
    if (fault !== undefined) throw this.#refuse(fault, checked)
    checked.isRevoked ||= revocations !== undefined && isRevoked(checked, revocations, now)
    if (checked.isRevoked) throw this.#refuse('token_revoked', checked)
  }

  /** What this request asks of the token. */
  #grant(
    checked: CheckedToken,
    token: string,
    { scope, proof, authentication }: VerifyOptions,
    now: Reading,
  ): CheckedToken {
    const { claims } = checked
    if (proof !== undefined || claims.keyThumbprint !== undefined) {
      this.#requireProof(checked, token, proof, now)
    }
    if (authentication !== undefined) {
      const time = laterTime(this.#parts.revocations?.feed.proof, now)
      if (!meetsAuthentication(claims, authentication, time)) {
        throw stepUpRefusal(this.#facts(checked), authentication)
      }
    }
    if (scope !== undefined && !holdsScope(claims.access.scopes, scope)) {
      throw this.#refuse('insufficient_scope', checked, { scope })
    }
    return checked
  }

  #requireProof(
    checked: CheckedToken,
    token: string,
    proof: VerifyOptions['proof'],
    now: Reading,
  ): void {
    const { keyThumbprint } = checked.claims
    if (proof === undefined) throw unprovenRefusal(this.#facts(checked))
    if (keyThumbprint === undefined) {
      const message = 'The token is bound to no key: send it with the scheme Bearer.'
      throw this.#refuse('proof_invalid', checked, { message })
    }
    const time = laterTime(this.#parts.revocations?.feed.proof, now)
    const check = checkProof(proof, token, keyThumbprint, time)
    if ('fault' in check) throw this.#refuse('proof_invalid', checked, { message: check.fault })
    if (proof.request !== undefined && this.#provenBy.get(proof.request) === check.identity) return
    const remembered = this.#parts.replays.remember(check.identity, now.monotonic)
    if (remembered === 'full') throw this.#refuse('cannot_decide', checked)
    if (remembered === 'seen') {
      const message = 'The proof was used before.'
      throw this.#refuse('proof_invalid', checked, { message })
    }
    if (proof.request !== undefined) this.#provenBy.set(proof.request, check.identity)
  }

  #refuse(
    code: VerifyErrorCode,
    checked?: CheckedToken,
    more: Partial<RefusalFacts> = {},
  ): VerifyError {
    return refusal(code, { ...this.#facts(checked), ...more })
  }

  #facts(checked: CheckedToken | undefined): RefusalFacts {
    const { resourceMetadata } = this.#parts
    if (checked === undefined) return { resourceMetadata }
    const { subject, clientId, grantId, tokenId, isProofBound } = checked.claims.access
    return { resourceMetadata, isProofBound, bearer: { subject, clientId, grantId, tokenId } }
  }

  #read(): Reading {
    const { clock } = this.#parts
    return { wall: clock.wall(), monotonic: clock.monotonic() }
  }
}

function isRevoked(
  { revocable }: CheckedToken,
  { feed, set }: RevocationSource,
  now: Reading,
): boolean {
  if (set.size === 0) return false
  return set.concerns(revocable, databaseTimeOf(feed.proof, now) ?? now.wall)
}
