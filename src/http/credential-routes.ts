import { z } from '@hono/zod-openapi'
import { HallpassError } from '../errors.ts'
import {
  type CreatedCredential,
  type CredentialOwner,
  createCredential,
  deleteCredential,
  listCredentials,
} from '../identity/index.ts'
import { nameParameter } from './parameters.ts'
import { addRoute, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'

const tag = 'Credentials'

const createdSchema = z
  .object({ client_id: z.string(), client_secret: z.string() })
  .openapi('CreatedCredential')

const listSchema = z
  .object({
    items: z.array(
      z.object({
        client_id: z.string(),
        created_at: z.iso.datetime(),
        created_by: z.string(),
        last_used_at: z.iso.datetime().nullable(),
      }),
    ),
  })
  .openapi('Credentials')

const nameSchema = z.object({ name: nameParameter })

/** Credentials of resources, and of workloads without a key of their own. */
export function credentialRoutes(services: HttpServices): Router {
  const router = newRouter()
  addCredentialRoutes(router, services, 'resource', '/v1/resources/{name}/credentials')
  addCredentialRoutes(router, services, 'workload', '/v1/workloads/{name}/credentials')
  return router
}

function addCredentialRoutes(
  router: Router,
  services: HttpServices,
  kind: CredentialOwner['kind'],
  path: `/${string}`,
): void {
  addRoute(router, services, {
    method: 'post',
    path,
    tag,
    summary: `Make a credential for a ${kind}; the secret is shown once`,
    authentication: 'session',
    params: nameSchema,
    body: z.strictObject({}),
    status: 201,
    answer: createdSchema,
    run: ({ ctx, params }) => createCredential(ctx, { kind, name: params.name }),
    recorded: ({ clientId }: CreatedCredential) => ({ clientId }),
    replay: async (_call, recorded) => {
      throw new HallpassError(
        'secret_already_shown',
        'This call made a credential before, and its secret was shown then. Delete it and make another if the secret is lost.',
        { extensions: { clientId: clientIdIn(recorded) } },
      )
    },
  })
  addRoute(router, services, {
    method: 'get',
    path,
    tag,
    summary: `The live credentials of a ${kind}`,
    authentication: 'session',
    params: nameSchema,
    status: 200,
    answer: listSchema,
    run: ({ ctx, params }) => listCredentials(ctx, { kind, name: params.name }),
    render: (items) => ({ items }),
  })
  addRoute(router, services, {
    method: 'delete',
    path: `${path}/{client_id}`,
    tag,
    summary: 'Delete a credential; it is refused from then on',
    authentication: 'session',
    params: nameSchema.extend({ client_id: nameParameter }),
    status: 204,
    run: ({ ctx, params }) =>
      deleteCredential(ctx, { owner: { kind, name: params.name }, clientId: params.client_id }),
  })
}

function clientIdIn(recorded: unknown): string | undefined {
  if (typeof recorded !== 'object' || recorded === null || !('client_id' in recorded)) {
    return undefined
  }
  return typeof recorded.client_id === 'string' ? recorded.client_id : undefined
}
