export { type AccessStatus, accessStatus } from './access-status.ts'
export { announceEndingGrants } from './announce-ending-grants.ts'
export type { AskInput } from './ask-input.ts'
export { cancelRequest } from './cancel-request.ts'
export { commentRequest } from './comment-request.ts'
export type { Page } from './cursor.ts'
export { disableSubject } from './disable-subject.ts'
export { enableSubject } from './enable-subject.ts'
export { expireGrants } from './expire-grants.ts'
export { expireRequests } from './expire-requests.ts'
export { type ExplainInput, explainAccess } from './explain-access.ts'
export { type ExtendGrantInput, extendGrant } from './extend-grant.ts'
export { forgetRevocations } from './forget-revocations.ts'
export { getGrant } from './get-grant.ts'
export { getRequest } from './get-request.ts'
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
export { listRequests, type RequestFilter } from './list-requests.ts'
export { lockGrant } from './lock-grant.ts'
export { lockGrantAs } from './lock-grant-as.ts'
export { previewRequest, type RequestPreview } from './preview-request.ts'
export { refuseRecentlyRevoked } from './recently-revoked.ts'
export { releaseGrant } from './release-grant.ts'
export type { RequestView } from './request-view.ts'
export { lockResource } from './resource-lock.ts'
export { resumeGrant } from './resume-grant.ts'
export { type ReviewRequestInput, reviewRequest } from './review-request.ts'
export { revokeGrant } from './revoke-grant.ts'
export { revokeResource } from './revoke-resource.ts'
export { revokeSubject } from './revoke-subject.ts'
export { startGrants } from './start-grants.ts'
export { type SubmittedRequest, submitRequest } from './submit-request.ts'
export { suspendGrant } from './suspend-grant.ts'
export { viewCatalog } from './view-catalog.ts'
export {
  type Revocation,
  reloadPayload,
  revocationChannel,
  writeRevocation,
  writeRevocations,
} from './write-revocation.ts'
