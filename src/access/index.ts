export { announceEndingGrants } from './announce-ending-grants.ts'
export type { Page } from './cursor.ts'
export { disableSubject } from './disable-subject.ts'
export { enableSubject } from './enable-subject.ts'
export { expireGrants } from './expire-grants.ts'
export { type ExplainInput, explainAccess } from './explain-access.ts'
export { forgetRevocations } from './forget-revocations.ts'
export { getGrant } from './get-grant.ts'
export {
  effectiveState,
  type Grant,
  type GrantEvent,
  type GrantState,
  isActive,
  moveGrant,
} from './grant.ts'
export { grantFacts, grantNotFound, requireMove } from './grant-refusals.ts'
export { type GrantView, viewGrant } from './grant-view.ts'
export { type GrantFilter, listGrants } from './list-grants.ts'
export { lockGrant } from './lock-grant.ts'
export { lockGrantAs } from './lock-grant-as.ts'
export { refuseRecentlyRevoked } from './recently-revoked.ts'
export { releaseGrant } from './release-grant.ts'
export { lockResource } from './resource-lock.ts'
export { resumeGrant } from './resume-grant.ts'
export { revokeGrant } from './revoke-grant.ts'
export { revokeResource } from './revoke-resource.ts'
export { revokeSubject } from './revoke-subject.ts'
export { startGrants } from './start-grants.ts'
export { suspendGrant } from './suspend-grant.ts'
export { viewCatalog } from './view-catalog.ts'
export {
  type Revocation,
  reloadPayload,
  revocationChannel,
  writeRevocation,
  writeRevocations,
} from './write-revocation.ts'
