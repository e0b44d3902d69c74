import type { IdentityProvider } from '../identity/index.ts'
import { createApp } from './app.ts'
import { auditRoutes } from './audit-routes.ts'
import { authorizeRoutes } from './authorize-routes.tsx'
import { catalogRoutes } from './catalog-routes.ts'
import { credentialRoutes } from './credential-routes.ts'
import { grantRoutes } from './grant-routes.ts'
import { identityRoutes } from './identity-routes.ts'
import { oauthRoutes } from './oauth-routes.ts'
import {
  addReference,
  measureAnswers,
  type Operations,
  operationsRoutes,
} from './operations-routes.ts'
import { reportRoutes } from './report-routes.ts'
import { requestRoutes } from './request-routes.ts'
import { revocationRoutes } from './revocation-routes.ts'
import type { Router } from './routing.ts'
import type { HttpServices } from './services.ts'
import { signInRoutes } from './sign-in-routes.tsx'
import { subjectRoutes } from './subject-routes.ts'
import { tokenRoutes } from './token-routes.ts'

export interface BrokerAppSettings {
  readonly services: HttpServices
  readonly identityProvider: IdentityProvider | undefined
  readonly operations: Operations
  readonly version: string
}

/** Every room's routes over one set of services. */
export function createBrokerApp(settings: BrokerAppSettings): Router {
  const { services, identityProvider, operations, version } = settings
  return createApp(services, {
    first: (app) => measureAnswers(app, operations.registry),
    modules: [
      () => operationsRoutes(operations),
      identityRoutes,
      signInRoutes(identityProvider),
      authorizeRoutes,
      credentialRoutes,
      oauthRoutes,
      tokenRoutes,
      catalogRoutes,
      requestRoutes,
      revocationRoutes,
      grantRoutes,
      subjectRoutes,
      auditRoutes,
      reportRoutes,
    ],
    last: (app) => addReference(app, version, services.issuer),
  })
}
