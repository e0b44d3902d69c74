export {
  effectiveState,
  type Grant,
  type GrantEvent,
  type GrantState,
  isActive,
  moveGrant,
} from './grant.ts'
export { requireMove } from './grant-refusals.ts'
export { type GrantView, viewGrant } from './grant-view.ts'
export { lockGrant } from './lock-grant.ts'
export { refuseRecentlyRevoked } from './recently-revoked.ts'
export { releaseGrant } from './release-grant.ts'
export { lockResource } from './resource-lock.ts'
export { resumeGrant } from './resume-grant.ts'
export { revokeGrant } from './revoke-grant.ts'
export { suspendGrant } from './suspend-grant.ts'
export {
  type Revocation,
  reloadPayload,
  revocationChannel,
  writeRevocation,
} from './write-revocation.ts'
