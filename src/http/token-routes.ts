import { z } from '@hono/zod-openapi'
import { mintToken, recordedMint, remintToken } from '../tokens/index.ts'
import { nameParameter } from './parameters.ts'
import { addRoute, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'

const tokenAnswer = z
  .object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.number().int(),
    scope: z.string(),
    grant_id: z.string(),
    authorization_expires_in: z.number().int(),
  })
  .openapi('AccessToken')

/** What was recorded of a mint that is repeated now. */
const recordedAnswer = z.object({ jti: z.string() })

/** `POST /v1/grants/{id}/tokens` */
export function tokenRoutes(services: HttpServices): Router {
  const router = newRouter()
  addRoute(router, services, {
    method: 'post',
    path: '/v1/grants/{id}/tokens',
    tag: 'Grants',
    summary: 'Take a token from a grant of your own',
    authentication: 'session',
    limit: 'token',
    params: z.object({ id: nameParameter }),
    body: z.strictObject({
      scopes: z.array(z.string().min(1).max(200)).min(1).max(100).optional(),
    }),
    status: 201,
    answer: tokenAnswer,
    run: ({ ctx, params, body }) => mintToken(ctx, { grantId: params.id, ...body }),
    recorded: recordedMint,
    replay: ({ ctx }, recorded) => remintToken(ctx, recordedAnswer.parse(recorded).jti),
  })
  return router
}
