import type { VerifyErrorCode } from './verify-error.ts'

export interface CountersView {
  readonly allowedCount: number
  /** By code; codes that did not occur are absent. */
  readonly refusedCounts: Readonly<Partial<Record<VerifyErrorCode, number>>>
  /** Checks of a signature; everything else was answered from memory. */
  readonly signatureCheckCount: number
  readonly introspectionCount: number
  /** Tokens accepted though neither memory nor the broker could tell. */
  readonly acceptedWhileCutOffCount: number
  readonly snapshotCount: number
  readonly feedLossCount: number
  /** Revocations pushed to this verifier, and how long they took from the broker's commit. */
  readonly revocationLag: LagView
}

export interface LagView {
  readonly count: number
  readonly lastMilliseconds: number | undefined
  readonly meanMilliseconds: number | undefined
  readonly maxMilliseconds: number | undefined
}

/** Counts since the verifier began. */
export class Counters {
  allowed = 0
  signatureChecks = 0
  acceptedWhileCutOff = 0
  snapshots = 0
  feedLosses = 0
  readonly #refused = new Map<VerifyErrorCode, number>()
  #lagCount = 0
  #lagSum = 0
  #lagMax = 0
  #lagLast = 0

  refused(code: VerifyErrorCode): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1)
  }

  lagged(milliseconds: number): void {
    this.#lagCount += 1
    this.#lagSum += milliseconds
    this.#lagMax = Math.max(this.#lagMax, milliseconds)
    this.#lagLast = milliseconds
  }

  view(introspectionCount: number): CountersView {
    const count = this.#lagCount
    return {
      allowedCount: this.allowed,
      refusedCounts: Object.fromEntries(this.#refused),
      signatureCheckCount: this.signatureChecks,
      introspectionCount,
      acceptedWhileCutOffCount: this.acceptedWhileCutOff,
      snapshotCount: this.snapshots,
      feedLossCount: this.feedLosses,
      revocationLag: {
        count,
        lastMilliseconds: count === 0 ? undefined : this.#lagLast,
        meanMilliseconds: count === 0 ? undefined : this.#lagSum / count,
        maxMilliseconds: count === 0 ? undefined : this.#lagMax,
      },
    }
  }
}
