export { authenticateClient } from './authenticate-client.ts'
export {
  authenticateResource,
  presentedByResource,
  resourceBehind,
} from './authenticate-resource.ts'
export { authenticateBrowser, authenticateSession } from './authenticate-session.ts'
export {
  type AuthorizationFault,
  type AuthorizationRequest,
  answerLocation,
} from './authorization-request.ts'
export { beginSignIn, signInLifetimeSeconds } from './begin-sign-in.ts'
export { checkAuthorization } from './check-authorization.ts'
export {
  credentialColumns,
  isCredentialLive,
  isCredentialOf,
  type StoredCredential,
} from './check-credential.ts'
export { formValue } from './client-request.ts'
export { type CreatedCredential, createCredential } from './create-credential.ts'
export { type CreatedSession, createSession } from './create-session.ts'
export type { CredentialOwner } from './credential-right.ts'
export { deleteCredential } from './delete-credential.ts'
export { describeMe } from './describe-me.ts'
export { developmentSignIn, listDevelopmentPeople } from './development-sign-in.ts'
export { endSession, signOut } from './end-session.ts'
export { endSessionsOf } from './end-sessions.ts'
export { finishSignIn } from './finish-sign-in.ts'
export { forgetEndedIdentityRows } from './forget-ended.ts'
export { createIdentityProvider, type IdentityProvider } from './identity-provider.ts'
export { issueAuthorizationCode } from './issue-authorization-code.ts'
export { listCredentials } from './list-credentials.ts'
export { listSessions, type SessionView } from './list-sessions.ts'
export { localPath } from './local-path.ts'
export { ensureSubject, lockSubject } from './lock-subject.ts'
export { redeemAuthorizationCode } from './redeem-authorization-code.ts'
export { setDisabled } from './set-disabled.ts'
export type { KnownSubject } from './subject.ts'
export {
  actorFacts,
  claimHolders,
  knownSubjects,
  lockActorFacts,
  subjectFacts,
} from './subject-facts.ts'
