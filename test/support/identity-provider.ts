import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'

/** What the provider knows of somebody; `email_verified` and `groups` as a provider would send them. */
export interface ProviderAccount {
  readonly sub: string
  readonly email?: string
  readonly email_verified?: boolean
  readonly groups?: readonly string[]
}

/** A company's identity provider: a real OpenID provider in this process, where people sign in at once. */
export interface TestIdentityProvider {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** Who sits at the browser from now on. Null: they decline. */
  setAccount(account: ProviderAccount | null): void
  stop(): Promise<void>
}

export async function startIdentityProvider(
  redirectUri: string,
  port = 0,
): Promise<TestIdentityProvider> {
  const clientId = 'hallpass'
  const clientSecret = 'a secret: with + and % and spaces'
  const accounts = new Map<string, ProviderAccount>()
  let current: ProviderAccount | null = null
  let handler: (request: IncomingMessage, response: ServerResponse) => void = () => {}
  const server = createServer((request, response) => handler(request, response))
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri] }],
    scopes: ['openid', 'email', 'profile', 'groups'],
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
      profile: [],
    },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    cookies: { keys: ['test provider'] },
    interactions: { url: (_ctx, interaction) => `/sign-in-form/${interaction.uid}` },
    findAccount: (_ctx, sub) => ({
      accountId: sub,
      claims: async () => ({ ...accounts.get(sub), sub }),
    }),
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId,
        ...(ctx.oidc.session?.accountId === undefined
          ? {}
          : { accountId: ctx.oidc.session.accountId }),
      })
      grant.addOIDCScope('openid email profile groups')
      await grant.save()
      return grant
    },
  })
  const oidc = provider.callback()
  handler = (request, response) => {
    if (!request.url?.startsWith('/sign-in-form/')) return oidc(request, response)
    const result =
      current === null
        ? { error: 'access_denied', error_description: 'the person said no' }
        : { login: { accountId: current.sub, remember: false } }
    provider.interactionFinished(request, response, result).catch(() => response.destroy())
  }
  return {
    issuer,
    clientId,
    clientSecret,
    setAccount: (account) => {
      current = account
      if (account !== null) accounts.set(account.sub, account)
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
