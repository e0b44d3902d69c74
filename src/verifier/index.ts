export type { Access } from './access.ts'
export type { RequestFacts } from './activity-event.ts'
export type { CountersView, LagView } from './counters.ts'
export { createVerifier } from './create-verifier.ts'
export type { Credential } from './credential.ts'
export type { VerifierEvents } from './events.ts'
export type { MemoryState } from './freshness.ts'
export type { VerifierOptions } from './options.ts'
export type { PresentedProof } from './proof.ts'
export type { ResourceMetadata } from './resource-metadata.ts'
export type { WhenCutOff } from './revocation.ts'
export type {
  ActivityStatus,
  AuthenticationDemand,
  Decision,
  Verifier,
  VerifierStatus,
  VerifyOptions,
} from './verifier.ts'
export { type TokenBearer, VerifyError, type VerifyErrorCode } from './verify-error.ts'
