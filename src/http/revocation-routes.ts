import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { OperationContext } from '../context.ts'
import { isCredentialLive } from '../identity/index.ts'
import {
  followRevocations,
  type LiveRevocation,
  type RevocationSnapshot,
  readRevocationSnapshot,
  revisionOf,
} from '../tokens/index.ts'
import { authenticators } from './authentication.ts'
import { EventStream } from './event-stream.ts'
import { toJson } from './render.ts'
import { addRoute, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'

const credentialCheckMilliseconds = 3_000

const revocationSchema = z
  .object({
    id: z.string(),
    kind: z.enum(['grant', 'token', 'subject', 'resource']),
    target: z.string(),
    at: z.iso.datetime(),
    forget_at: z.iso.datetime(),
  })
  .openapi('Revocation')

/** `/v1/revocations` for those that poll, and the stream for those that listen. */
export function revocationRoutes(services: HttpServices): Router {
  const router = newRouter()
  addRoute(router, services, {
    method: 'get',
    path: '/v1/revocations',
    tag: 'Revocations',
    summary:
      'What a resource must refuse: the whole live set, or 304; waits up to `wait` seconds for a change',
    authentication: 'resource',
    query: z.strictObject({
      wait: z
        .string()
        .regex(/^\d{1,2}$/, 'must be whole seconds, at most 30')
        .transform(Number)
        .refine((seconds) => seconds <= 30, 'must be at most 30')
        .optional(),
    }),
    status: 200,
    answer: z.object({ revocations: z.array(revocationSchema), as_of: z.iso.datetime() }),
    run: ({ ctx, query, c }) => poll(ctx, services, c.req.header('if-none-match'), query.wait ?? 0),
    render: (output) => answerPoll(output),
  })
  router.openAPIRegistry.registerPath({
    method: 'get',
    path: '/v1/revocations/stream',
    tags: ['Revocations'],
    summary: 'The same as Server-Sent Events: `snapshot`, then `revoke` and `heartbeat`',
    security: [{ resourceCredential: [] }],
    responses: {
      200: { description: 'Events', content: { 'text/event-stream': { schema: z.string() } } },
    },
  })
  const watch = credentialWatch(services)
  router.get('/v1/revocations/stream', async (c) => {
    const actor = await authenticators.resource(c, services)
    return openStream(c, { ...services, actor }, services, watch)
  })
  return router
}

interface Polled {
  readonly snapshot: RevocationSnapshot
  readonly etag: string
  readonly isUnchanged: boolean
}

async function poll(
  ctx: OperationContext,
  { revocationFeed, stopping }: HttpServices,
  known: string | undefined,
  waitSeconds: number,
): Promise<Polled> {
  const look = async (): Promise<Polled> => {
    const snapshot = await readRevocationSnapshot(ctx, revocationFeed)
    const etag = etagOf(snapshot)
    const tags = (known ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
    return { snapshot, etag, isUnchanged: tags.includes(etag) }
  }
  const first = await look()
  if (!first.isUnchanged || waitSeconds === 0) return first
  await untilChange(ctx, { feed: revocationFeed, stopping, etag: first.etag }, waitSeconds)
  return look()
}

function etagOf(snapshot: RevocationSnapshot): string {
  return `"${revisionOf(snapshot)}"`
}

async function untilChange(
  ctx: OperationContext,
  known: {
    readonly feed: HttpServices['revocationFeed']
    readonly stopping: AbortSignal
    readonly etag: string
  },
  waitSeconds: number,
): Promise<void> {
  let wake: () => void = () => {}
  const woken = new Promise<void>((resolve) => {
    wake = resolve
  })
  const { snapshot, unsubscribe } = await followRevocations(ctx, known.feed, {
    onRevoked: () => wake(),
    onHeartbeat: () => {},
    onStale: () => wake(),
  })
  const timer = setTimeout(wake, waitSeconds * 1000)
  known.stopping.addEventListener('abort', wake)
  // what was revoked between the look and the subscription will not be told again
  if (known.stopping.aborted || etagOf(snapshot) !== known.etag) wake()
  await woken
  clearTimeout(timer)
  known.stopping.removeEventListener('abort', wake)
  unsubscribe()
}

function answerPoll({ snapshot, etag, isUnchanged }: Polled): Response {
  const headers = { ETag: etag, 'Cache-Control': 'no-store', 'Content-Type': 'application/json' }
  if (isUnchanged) return new Response(null, { status: 304, headers })
  const body = { revocations: snapshot.revocations.map(told), asOf: snapshot.asOf }
  return new Response(JSON.stringify(toJson(body)), { status: 200, headers })
}

/** Which resource an entry concerns is the reader's own business; they get theirs alone. */
function told({ id, kind, target, at, forgetAt }: LiveRevocation) {
  return { id, kind, target, at, forgetAt }
}

async function openStream(
  c: Context,
  ctx: OperationContext,
  services: HttpServices,
  watch: WatchCredential,
): Promise<Response> {
  const stream = new EventStream(services.stopping)
  const { snapshot, unsubscribe } = await followRevocations(ctx, services.revocationFeed, {
    onRevoked: (revocations) => {
      for (const revocation of revocations) stream.send('revoke', toJson(told(revocation)))
    },
    onHeartbeat: (at) => stream.send('heartbeat', toJson({ at })),
    onStale: () => stream.close(),
  })
  const { revocations, asOf, whenCutOff } = snapshot
  stream.send('snapshot', toJson({ revocations: revocations.map(told), asOf, whenCutOff }))
  const unwatch = watch(actorCredential(ctx), stream)
  stream.onClosed(() => {
    unwatch()
    unsubscribe()
  })
  return c.body(stream.readable, 200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store, no-transform',
    'X-Accel-Buffering': 'no',
  })
}

type WatchCredential = (clientId: string, stream: EventStream) => () => void

/** Looks every 3 s, once per credential, and closes the streams of those that were deleted. */
function credentialWatch(services: HttpServices): WatchCredential {
  const streams = new Map<string, Set<EventStream>>()
  const look = async (clientId: string) => {
    // while the database cannot say, the feed's own staleness decides
    const isLive = await isCredentialLive(services, clientId).catch(() => true)
    if (!isLive) for (const stream of streams.get(clientId) ?? []) stream.close()
  }
  const timer = setInterval(() => {
    for (const clientId of streams.keys()) void look(clientId)
  }, credentialCheckMilliseconds).unref()
  services.stopping.addEventListener('abort', () => clearInterval(timer))
  return (clientId, stream) => {
    const opened = streams.get(clientId) ?? new Set()
    streams.set(clientId, opened.add(stream))
    return () => {
      opened.delete(stream)
      if (opened.size === 0) streams.delete(clientId)
    }
  }
}

function actorCredential({ actor }: OperationContext): string {
  return actor.credentialId ?? actor.id
}
