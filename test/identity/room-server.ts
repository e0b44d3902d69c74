import { afterAll } from 'vitest'
import { applyCatalog } from '../../src/catalog/index.ts'
import { createApp } from '../../src/http/app.ts'
import { authorizeRoutes } from '../../src/http/authorize-routes.tsx'
import { credentialRoutes } from '../../src/http/credential-routes.ts'
import { identityRoutes } from '../../src/http/identity-routes.ts'
import { oauthRoutes } from '../../src/http/oauth-routes.ts'
import { newRouter } from '../../src/http/routing.ts'
import { listen } from '../../src/http/server.ts'
import type { HttpServices } from '../../src/http/services.ts'
import { signInRoutes } from '../../src/http/sign-in-routes.tsx'
import { createIdentityProvider } from '../../src/identity/index.ts'
import { createTestServices, type TestServices } from '../support/context.ts'
import { httpServices } from '../support/http-services.ts'
import { startIdentityProvider, type TestIdentityProvider } from '../support/identity-provider.ts'
import { companyCatalog } from './company-catalog.ts'

/** The room's routes over real HTTP, with a settable clock, and a real identity provider when asked for. */
export interface RoomServer extends TestServices {
  /** Also the issuer. */
  readonly url: string
  readonly httpServices: HttpServices
  /** Throws when the server has none. */
  readonly provider: TestIdentityProvider
}

export async function useRoomServer(
  options: {
    readonly hasProvider?: boolean
    readonly isDevelopment?: boolean
    readonly catalog?: string
  } = {},
): Promise<RoomServer> {
  const harness = await createTestServices()
  const outer = newRouter()
  const server = await listen(outer, '127.0.0.1', 0)
  const url = `http://localhost:${server.port}`
  const redirectUri = `${url}/auth/callback`
  const provider = options.hasProvider ? await startIdentityProvider(redirectUri) : undefined
  const services: HttpServices = {
    ...httpServices(harness.services),
    issuer: url,
    isDevelopment: options.isDevelopment ?? provider === undefined,
  }
  const identityProvider =
    provider === undefined
      ? undefined
      : createIdentityProvider({
          issuer: provider.issuer,
          clientId: provider.clientId,
          clientSecret: provider.clientSecret,
          groupsClaim: 'groups',
          redirectUri,
        })
  const app = createApp(services, {
    modules: [
      identityRoutes,
      credentialRoutes,
      authorizeRoutes,
      oauthRoutes,
      signInRoutes(identityProvider),
    ],
  })
  outer.all('*', (c) => app.fetch(c.req.raw, c.env))
  await applyCatalog(harness.asOperator(), { content: options.catalog ?? companyCatalog })
  afterAll(async () => {
    await server.stop(0)
    await provider?.stop()
    await harness.close()
  })
  return {
    ...harness,
    url,
    httpServices: services,
    get provider() {
      if (provider === undefined) throw new Error('this server has no identity provider')
      return provider
    },
  }
}
