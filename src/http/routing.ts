import { createHash } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type Actor, anonymous, type OperationContext } from '../context.ts'
import { type IdempotentCall, IdempotentReplay, type RecordedAnswer } from '../database/index.ts'
import { HallpassError } from '../errors.ts'
import { type Authentication, authenticators } from './authentication.ts'
import { readBody, readParameters, readQuery } from './input.ts'
import type { LimitedAct } from './rate-limits.ts'
import { toJson } from './render.ts'
import { answerJson } from './security-headers.ts'
import type { HttpServices } from './services.ts'

export interface HttpEnvironment {
  Bindings: HttpBindings
  Variables: { hasSecurityHeaders?: boolean }
}

export type Router = OpenAPIHono<HttpEnvironment>

export function newRouter(): Router {
  return new OpenAPIHono<HttpEnvironment>()
}

type Input<S> = S extends z.ZodType ? z.output<S> : undefined

/** What a route's `run` is given: the operation's context and the checked input. */
export interface RouteCall<P, Q, B> {
  readonly ctx: OperationContext
  readonly params: Input<P>
  readonly query: Input<Q>
  readonly body: Input<B>
  readonly c: Context<HttpEnvironment>
}

/** One route: how input is checked, which operation runs, how its output is rendered. */
export interface Route<P, Q, B, T> {
  readonly method: 'get' | 'post' | 'delete'
  /** OpenAPI form: `/v1/requests/{id}` */
  readonly path: `/${string}`
  readonly tag: string
  readonly summary: string
  readonly authentication: Authentication
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** The successful answer: its status (or how to tell it from the output) and its documented shape. */
  readonly status: 200 | 201 | 204
  readonly statusOf?: (output: T) => 200 | 201
  readonly answer?: z.ZodType
  /** Other media types of the successful answer, for the description. */
  readonly otherAnswers?: Readonly<Record<string, z.ZodType>>
  readonly limit?: LimitedAct
  readonly run: (call: RouteCall<P, Q, B>) => Promise<T>
  /** Domain output → what is sent; the default renders it whole. */
  readonly render?: (output: T) => unknown
  /** What a repetition with the same Idempotency-Key is answered with; leaves secrets out. */
  readonly recorded?: (output: never) => unknown
  /** Rebuilds the answer from what was recorded, where that alone is not enough. */
  readonly replay?: (call: RouteCall<P, Q, B>, recorded: unknown) => Promise<unknown>
}

/** Adds a route and its description for /openapi.json. */
export function addRoute<
  P extends z.ZodObject | undefined,
  Q extends z.ZodObject | undefined,
  B extends z.ZodType | undefined,
  T,
>(router: Router, services: HttpServices, route: Route<P, Q, B, T>): void {
  describeRoute(router, route)
  const honoPath = route.path.replace(/\{(\w+)\}/g, ':$1')
  router.on(route.method.toUpperCase(), honoPath, async (c) => {
    const actor = await authenticators[route.authentication](c, services)
    if (route.limit !== undefined)
      await services.rateLimits.consume(route.limit, limitKey(c, actor, services))
    const params = readParameters(c, route.params)
    const query = readQuery(c, route.query)
    const { text, body } = await readBody(c, route.body)
    const idempotency = route.method === 'post' ? idempotencyOf(c, actor, text, route) : undefined
    const ctx: OperationContext = {
      ...services,
      actor,
      ...(idempotency === undefined ? {} : { idempotency }),
    }
    const call = { ctx, params, query, body, c } as RouteCall<P, Q, B>
    try {
      const output = await route.run(call)
      const status = route.statusOf?.(output) ?? route.status
      if (status === 204) return c.body(null, 204)
      const rendered = route.render === undefined ? output : route.render(output)
      if (rendered instanceof Response) return rendered
      return answerJson(c, toJson(rendered), status, noStore)
    } catch (error) {
      if (!(error instanceof IdempotentReplay)) throw error
      // also when the answer cannot be rebuilt
      c.header('Idempotent-Replayed', 'true')
      return answerAgain(c, call, route, error.answer)
    }
  })
}

const noStore = { 'Cache-Control': 'no-store' }

async function answerAgain<P, Q, B, T>(
  c: Context<HttpEnvironment>,
  call: RouteCall<P, Q, B>,
  route: Route<P, Q, B, T>,
  answer: RecordedAnswer,
): Promise<Response> {
  if (answer.status === 204) return c.body(null, 204)
  const body =
    route.replay === undefined ? answer.body : toJson(await route.replay(call, answer.body))
  const headers = { ...noStore, 'Idempotent-Replayed': 'true' }
  return answerJson(c, body, answer.status as ContentfulStatusCode, headers)
}

function limitKey(c: Context<HttpEnvironment>, actor: Actor, services: HttpServices): string {
  return actor === anonymous ? services.clientAddressOf(c.env?.incoming) : actor.id
}

function idempotencyOf<P, Q, B, T>(
  c: Context,
  actor: Actor,
  bodyText: string,
  route: Route<P, Q, B, T>,
): IdempotentCall | undefined {
  const key = c.req.header('idempotency-key')
  if (key === undefined || !route.path.startsWith('/v1/')) return undefined
  if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw new HallpassError(
      'invalid_input',
      'Send an Idempotency-Key of 1 to 255 printable ASCII characters.',
      {
        errors: [
          { pointer: '', message: 'Idempotency-Key must be 1 to 255 printable ASCII characters' },
        ],
      },
    )
  }
  const record = route.recorded ?? route.render ?? ((output: T) => output)
  return {
    scope: [`${actor.kind}:${actor.id}`, route.method, c.req.path, key],
    bodyDigest: createHash('sha256').update(bodyText).digest('hex'),
    render: (output) => ({
      status: route.statusOf?.(output as T) ?? route.status,
      body: toJson((record as (output: unknown) => unknown)(output)),
    }),
  }
}

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    code: z.string(),
    detail: z.string(),
    errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
    reasons: z.array(z.object({ code: z.string(), message: z.string() })).optional(),
    retry_after_seconds: z.number().optional(),
    request_id: z.string().optional(),
    client_id: z.string().optional(),
  })
  .openapi('Problem')

function describeRoute<
  P extends z.ZodObject | undefined,
  Q extends z.ZodObject | undefined,
  B extends z.ZodType | undefined,
  T,
>(router: Router, route: Route<P, Q, B, T>): void {
  const json = (schema: z.ZodType) => ({ 'application/json': { schema } })
  const others = Object.entries(route.otherAnswers ?? {}).map(([type, schema]) => [
    type,
    { schema },
  ])
  const content = {
    ...(route.answer === undefined ? {} : json(route.answer)),
    ...Object.fromEntries(others),
  }
  const done = {
    description: 'Done',
    ...(Object.keys(content).length === 0 ? {} : { content }),
  }
  router.openAPIRegistry.registerPath({
    method: route.method,
    path: route.path,
    tags: [route.tag],
    summary: route.summary,
    security: securityOf(route.authentication),
    request: {
      ...(route.params === undefined ? {} : { params: route.params }),
      ...(route.query === undefined ? {} : { query: route.query }),
      ...(route.body === undefined ? {} : { body: { content: json(route.body), required: true } }),
    },
    responses: {
      [route.status]: done,
      ...(route.statusOf === undefined ? {} : { 200: { ...done, description: 'Done before' } }),
      default: {
        description: 'Refused: an RFC 9457 problem with a stable `code`',
        content: { 'application/problem+json': { schema: problemSchema } },
      },
    },
  })
}

function securityOf(authentication: Authentication): Record<string, string[]>[] {
  if (authentication === 'none') return []
  return authentication === 'session' ? [{ session: [] }] : [{ resourceCredential: [] }]
}
