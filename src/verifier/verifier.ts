import type { Access } from './access.ts'
import type { RequestFacts } from './activity-event.ts'
import type { CountersView } from './counters.ts'
import type { VerifierEvents } from './events.ts'
import type { MemoryState } from './freshness.ts'
import type { PresentedProof } from './proof.ts'
import type { ResourceMetadata } from './resource-metadata.ts'
import type { WhenCutOff } from './revocation.ts'
import type { VerifyError } from './verify-error.ts'

export interface VerifyOptions {
  /** The scope that is about to be enforced; several, separated by spaces, must all be held. */
  readonly scope?: string | undefined
  /** The request's DPoP proof: present when the token came with the scheme `DPoP`. */
  readonly proof?: PresentedProof | undefined
  /** How and when the person must have signed in (RFC 9470). */
  readonly authentication?: AuthenticationDemand | undefined
  /** What the request says of itself, for the activity report. */
  readonly request?: RequestFacts | undefined
}

/** Any of the classes (`acr`), and a sign-in that is no older. */
export interface AuthenticationDemand {
  readonly acrValues?: readonly string[] | undefined
  readonly maxAgeSeconds?: number | undefined
}

/** What was decided, for adapters that report it once they know how the request ended. */
export type Decision = {
  /** Tells the broker, at most once; takes no time. */
  report(request: RequestFacts): void
} & (
  | { readonly access: Access; readonly error?: never }
  | { readonly error: VerifyError; readonly access?: never }
)

export interface ActivityStatus {
  readonly waitingCount: number
  readonly sentCount: number
  /** Decisions that the broker will never hear of: no room, or it could not be reached before the end. */
  readonly lostCount: number
  /** Events that the broker took and refused, one by one. */
  readonly rejectedCount: number
}

export interface VerifierStatus {
  /** `off` with `revocation: 'none'`. */
  readonly memory: MemoryState | 'off'
  /** The broker's time up to which every revocation is known. */
  readonly knownUntil: Date | undefined
  /** What happens when neither memory nor the broker can tell. */
  readonly whenCutOff: WhenCutOff
  /** True while that is happening. */
  readonly isCutOff: boolean
  /** True while revoked tokens may be accepted until their own end. */
  readonly isAcceptingUntilExpiry: boolean
  readonly keyCount: number
  /** Seconds since the keys were read; undefined before the first time. */
  readonly keyAgeSeconds: number | undefined
  readonly revocationCount: number
  readonly cachedTokenCount: number
  /** Undefined when reporting is off. */
  readonly activity: ActivityStatus | undefined
  readonly counters: CountersView
}

export interface Verifier {
  /** Resolves when the keys and the first snapshot are in. Rejects when the credential is refused, or on `stop`. */
  ready(): Promise<void>
  /**
   * Accepts or refuses a token. Rejects with `VerifyError`, and with `TypeError` when it is called wrongly. Waits for
   * keys and snapshot, or for the broker's answer, but never longer than five seconds.
   */
  verify(token: string | undefined, options?: VerifyOptions): Promise<Access>
  /** The same for adapters: does not reject for a refusal, and reports nothing by itself. */
  decide(token: string | undefined, options?: VerifyOptions): Promise<Decision>
  status(): VerifierStatus
  /** Returns how to stop listening. */
  on<Name extends keyof VerifierEvents>(
    name: Name,
    listener: (event: VerifierEvents[Name]) => void,
  ): () => void
  /** To be served at `resourceMetadataUrl`. */
  readonly resourceMetadata: ResourceMetadata
  readonly resourceMetadataUrl: string | undefined
  /** Closes the feed and sends the activity that waits, for at most 5 s. Everything is refused from then on. */
  stop(): Promise<void>
}
