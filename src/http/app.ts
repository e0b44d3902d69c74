import { HallpassError } from '../errors.ts'
import { answerError, answerProblem } from './answers.ts'
import { limitBody } from './body-limit.ts'
import { newRouter, type Router } from './routing.ts'
import { addSecurityHeaders } from './security-headers.ts'
import type { HttpServices } from './services.ts'

const maxBodyBytes = 64 * 1024

/** Adds one room's routes. */
export type RouteModule = (services: HttpServices) => Router

export interface AppParts {
  /** Runs before everything else, for instance to measure. */
  readonly first?: (app: Router) => void
  readonly modules: readonly RouteModule[]
  /** Runs when every route is known, for instance to describe them. */
  readonly last?: (app: Router) => void
}

/** The whole HTTP surface: limits and headers first, then one router per room. */
export function createApp(services: HttpServices, parts: AppParts): Router {
  const app = newRouter()
  parts.first?.(app)
  app.use(addSecurityHeaders())
  app.use(
    limitBody(maxBodyBytes, (c) =>
      answerError(
        c,
        new HallpassError('too_large', `Send at most ${maxBodyBytes} bytes.`),
        services.log,
      ),
    ),
  )
  app.onError((error, c) => answerError(c, error, services.log))
  app.notFound((c) =>
    answerProblem(
      c,
      new HallpassError(
        'not_found',
        'There is nothing at this address with this method. See /docs.',
      ),
    ),
  )
  for (const module of parts.modules) app.route('/', module(services))
  describeSecurity(app)
  parts.last?.(app)
  return app
}

function describeSecurity(app: Router): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    type: 'http',
    scheme: 'bearer',
    description: 'A session token, `hps_…`',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'resourceCredential', {
    type: 'http',
    scheme: 'basic',
    description: "A resource's own credential",
  })
}
