export { checkSigningKeys } from './check-signing-keys.ts'
export { type ClientCredentialsInput, issueClientCredentials } from './client-credentials.ts'
export { ensureSigningKeys } from './ensure-signing-keys.ts'
export {
  followRevocations,
  type RevocationSnapshot,
  readRevocationSnapshot,
  revisionOf,
} from './follow-revocations.ts'
export { forgetTokens } from './forget-tokens.ts'
export { introspectAsResource, introspectToken } from './introspect-token.ts'
export { publishedKeys } from './jwks.ts'
export type { SigningKey } from './key-store.ts'
export { listKeys } from './list-keys.ts'
export type { LiveRevocation } from './live-revocations.ts'
export { masterKeyInFolder } from './master-key.ts'
export { serverMetadata } from './metadata.ts'
export { type MintedToken, mintToken, recordedMint } from './mint-token.ts'
export { remintToken } from './remint-token.ts'
export { retireKeys } from './retire-keys.ts'
export { createRevocationFeed, type RevocationFeed } from './revocation-feed.ts'
export { revokeKey } from './revoke-key.ts'
export { revokeToken } from './revoke-token.ts'
export { rotateKeys } from './rotate-keys.ts'
export { createSecretBox, isSealedWithOlderKey } from './secret-box.ts'
export { keySetMaxAgeSeconds } from './signing-key.ts'
