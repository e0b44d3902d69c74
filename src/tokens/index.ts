export { checkToken } from './check-token.ts'
export {
  type ClientCredentialsInput,
  issueClientCredentials,
  type SessionTokenAnswer,
} from './client-credentials.ts'
export { ensureSigningKeys } from './ensure-signing-keys.ts'
export { forgetTokens } from './forget-tokens.ts'
export { type Introspection, introspectToken } from './introspect-token.ts'
export { type KeySet, publishedKeys } from './jwks.ts'
export type { SigningKey } from './key-store.ts'
export { listKeys } from './list-keys.ts'
export { masterKeyInFolder } from './master-key.ts'
export { serverMetadata } from './metadata.ts'
export {
  type MintedToken,
  type MintInput,
  mintToken,
  type RecordedToken,
  recordedMint,
} from './mint-token.ts'
export { remintToken } from './remint-token.ts'
export { retireKeys } from './retire-keys.ts'
export { type KeyRevocation, revokeKey } from './revoke-key.ts'
export { revokeToken } from './revoke-token.ts'
export { type Rotation, rotateKeys } from './rotate-keys.ts'
export { createSecretBox, type MasterKeys } from './secret-box.ts'
export { keySetMaxAgeSeconds } from './signing-key.ts'
export type { VerifiedToken } from './verify-token.ts'
