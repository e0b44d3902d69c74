import * as openid from 'openid-client'
import { isTransactionOpen } from '../database/index.ts'
import { HallpassError } from '../errors.ts'
import { isLoopbackUrl } from './loopback.ts'
import { joinedClaims, saysBoth } from './provider-identity.ts'

export interface IdentityProviderSettings {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** The claim that carries the provider's groups. */
  readonly groupsClaim: string
  /** `{issuer of this broker}/auth/callback` */
  readonly redirectUri: string
}

/** What ties an answer of the provider to the browser and the question it belongs to. */
export interface SignInSecrets {
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
}

/** The company's identity provider. Discovered at first use, again after a failure. */
export interface IdentityProvider {
  readonly issuer: string
  readonly groupsClaim: string
  /** Where to send the browser. Throws `cannot_decide` when the provider cannot be reached. */
  authorizationUrl(secrets: SignInSecrets): Promise<string>
  /**
   * Redeems the provider's answer and returns its verified claims. Throws `cannot_decide` when the provider
   * cannot be reached and SignInRejected when its answer does not hold.
   */
  claimsOf(
    parameters: URLSearchParams,
    secrets: SignInSecrets,
  ): Promise<Readonly<Record<string, unknown>>>
}

/** The provider's answer does not hold, or it said no. `reason` is a code, never text from outside. */
export class SignInRejected extends Error {
  readonly reason: string

  constructor(reason: string, cause?: unknown) {
    super('the identity provider did not confirm the sign-in', { cause })
    this.name = 'SignInRejected'
    this.reason = reason
  }
}

const timeoutSeconds = 5

/** Prepares the provider; nothing is fetched before somebody signs in, so an outage there stops no start. */
export function createIdentityProvider(settings: IdentityProviderSettings): IdentityProvider {
  let discovered: Promise<openid.Configuration> | undefined
  const configuration = (): Promise<openid.Configuration> => {
    if (isTransactionOpen()) throw new Error('no network call inside a transaction')
    discovered ??= discover(settings).catch((error: unknown) => {
      discovered = undefined
      throw unreachable(error)
    })
    return discovered
  }
  return {
    issuer: settings.issuer,
    groupsClaim: settings.groupsClaim,
    authorizationUrl: async ({ state, nonce, codeVerifier }) => {
      const config = await configuration()
      const url = openid.buildAuthorizationUrl(config, {
        redirect_uri: settings.redirectUri,
        scope: scopesFor(config),
        state,
        nonce,
        code_challenge: await openid.calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: 'S256',
      })
      return url.href
    },
    claimsOf: async (parameters, secrets) => {
      const config = await configuration()
      return redeem(config, settings, parameters, secrets).catch((error: unknown) => {
        throw rejection(error)
      })
    },
  }
}

async function discover(settings: IdentityProviderSettings): Promise<openid.Configuration> {
  const issuer = new URL(settings.issuer)
  return openid.discovery(
    issuer,
    settings.clientId,
    undefined,
    openid.ClientSecretBasic(settings.clientSecret),
    {
      timeout: timeoutSeconds,
      // plain http for a provider on this very machine, as in development and tests
      execute: isLoopbackUrl(issuer) ? [openid.allowInsecureRequests] : [],
    },
  )
}

/** Some providers release groups only for a scope of that name, and some refuse a scope they do not know. */
function scopesFor(config: openid.Configuration): string {
  const supported = config.serverMetadata().scopes_supported ?? []
  return ['openid', 'email', 'profile', ...(supported.includes('groups') ? ['groups'] : [])].join(
    ' ',
  )
}

async function redeem(
  config: openid.Configuration,
  settings: IdentityProviderSettings,
  parameters: URLSearchParams,
  { state, nonce, codeVerifier }: SignInSecrets,
): Promise<Readonly<Record<string, unknown>>> {
  const callback = new URL(settings.redirectUri)
  callback.search = parameters.toString()
  const tokens = await openid.authorizationCodeGrant(config, callback, {
    expectedState: state,
    expectedNonce: nonce,
    pkceCodeVerifier: codeVerifier,
    idTokenExpected: true,
  })
  const claims = tokens.claims()
  if (claims === undefined) throw new SignInRejected('id_token_missing')
  if (saysBoth(claims) && claims[settings.groupsClaim] !== undefined) return claims
  if (config.serverMetadata().userinfo_endpoint === undefined) return claims
  // OpenID Connect Core §5.4: with a code, claims of scopes come from the UserInfo endpoint
  const userInfo = await openid.fetchUserInfo(config, tokens.access_token, claims.sub)
  return joinedClaims(claims, userInfo)
}

function unreachable(cause: unknown): HallpassError {
  return new HallpassError(
    'cannot_decide',
    'The identity provider does not answer as it should, so nobody can sign in now. Try again in a moment.',
    { cause },
  )
}

function rejection(error: unknown): Error {
  if (error instanceof SignInRejected || error instanceof HallpassError) return error
  if (isOutage(error)) return unreachable(error)
  return new SignInRejected(codeOf(error), error)
}

/** No answer, or an answer that says the provider itself is in trouble. */
function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('code' in error && (error.code === 'OAUTH_TIMEOUT' || error.code === 'OAUTH_ABORT'))
    return true
  const { cause } = error
  // by shape: servers replace the global Response, so instanceof may compare with another
  if (typeof cause === 'object' && cause !== null && 'status' in cause) {
    return typeof cause.status === 'number' && cause.status >= 500
  }
  // fetch says only "failed" and puts the system's code into the cause
  return error instanceof TypeError && cause instanceof Error && 'code' in cause
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { error: oauthCode, code } = error as { error?: unknown; code?: unknown }
  for (const value of [oauthCode, code]) {
    if (typeof value === 'string' && /^[A-Za-z_]{1,60}$/.test(value)) return value.toLowerCase()
  }
  return 'unknown'
}
