import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { newKey, type SigningKey } from './token-mint.ts'

interface WireRevocation {
  readonly id: string
  readonly kind: string
  readonly target: string
  readonly at: string
  readonly forget_at: string
}

/** How the stand-in misbehaves. Everything may be changed at any time. */
interface Behaviour {
  /** Accepts connections and answers nothing. */
  isSilent: boolean
  /** Opens streams and lets nothing through, as a proxy that buffers. */
  holdsStreams: boolean
  /** Sends no heartbeats, as a replica whose own feed is frozen must. */
  sendsHeartbeats: boolean
  /** The database's clock minus the real one, in ms. */
  clockOffset: number
  whenCutOff: string
  /** Status of each answer; 200 unless set. */
  keysStatus: number
  streamStatus: number
  introspectionStatus: number
  activityStatus: number
  retryAfter: string | undefined
  redirectTo: string | undefined
  introspectionDelay: number
  heartbeatMilliseconds: number
}

/**
 * The broker's side of CONTRACTS §5 and §6 as a verifier sees it, over real HTTP, with nothing behind it: what
 * is revoked, published and active is set by the test.
 */
export class StandInBroker {
  readonly behaviour: Behaviour = {
    isSilent: false,
    holdsStreams: false,
    sendsHeartbeats: true,
    clockOffset: 0,
    whenCutOff: 'refuse',
    keysStatus: 200,
    streamStatus: 200,
    introspectionStatus: 200,
    activityStatus: 200,
    retryAfter: undefined,
    redirectTo: undefined,
    introspectionDelay: 0,
    heartbeatMilliseconds: 1_000,
  }
  keys: readonly SigningKey[]
  readonly revocations: WireRevocation[] = []
  /** What introspection says of a token; active unless its `jti`, grant, subject or all were revoked. */
  isActive: (token: string) => boolean = (token) => !this.#isRevoked(token)
  readonly introspections: URLSearchParams[] = []
  readonly batches: {
    readonly source: string
    readonly sequence: number
    readonly events: readonly WireEvent[]
  }[] = []
  readonly authorizations: (string | undefined)[] = []
  /** The body of every attempt. */
  readonly activityAttempts: string[] = []
  rejectedActivity: readonly unknown[] = []
  /** What is published in place of the keys. */
  keysBody: string | undefined
  keyReadings = 0
  streamsOpened = 0
  #server: Server | undefined
  #port = 0
  #count = 0
  readonly #streams = new Set<ServerResponse>()
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(...keys: readonly SigningKey[]) {
    this.keys = keys.length === 0 ? [newKey()] : keys
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get key(): SigningKey {
    const [key] = this.keys
    if (key === undefined) throw new Error('the stand-in has no key')
    return key
  }

  get openStreamCount(): number {
    return this.#streams.size
  }

  /** The database's clock. */
  now(): number {
    return Date.now() + this.behaviour.clockOffset
  }

  /** Listens; after `stop` on the same port as before. */
  async start(): Promise<this> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    return this
  }

  /** Ends every connection at once, as a killed process does. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const timer of this.#timers) clearInterval(timer)
    server?.closeAllConnections()
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()))
  }

  /** Ends every stream, politely. */
  closeStreams(): void {
    for (const stream of this.#streams) stream.end()
  }

  revoke(kind: string, target: string, lifetimeMilliseconds = 3_600_000): WireRevocation {
    this.#count += 1
    const at = this.now()
    const revocation = {
      id: `rvk_${this.#count}`,
      kind,
      target,
      at: new Date(at).toISOString(),
      forget_at: new Date(at + lifetimeMilliseconds).toISOString(),
    }
    this.revocations.push(revocation)
    this.send('revoke', revocation)
    return revocation
  }

  /** Writes an event to every open stream. */
  send(name: string, data: unknown): void {
    this.sendText(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  sendText(text: string): void {
    for (const stream of this.#streams) stream.write(text)
  }

  heartbeat(at = this.now()): void {
    this.send('heartbeat', { at: new Date(at).toISOString() })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.behaviour.isSilent) return
    const path = (request.url ?? '').replace(/\?.*/, '')
    if (path === '/oauth/jwks') return this.#answerKeys(response)
    this.authorizations.push(request.headers.authorization)
    if (path === '/v1/revocations/stream') return this.#answerStream(response)
    if (path === '/oauth/introspect') return this.#answerIntrospection(request, response)
    if (path === '/v1/activity') return this.#answerActivity(request, response)
    response.writeHead(404).end()
  }

  #answerKeys(response: ServerResponse): void {
    this.keyReadings += 1
    const { keysStatus } = this.behaviour
    const body = this.keysBody ?? JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) })
    response.writeHead(keysStatus, { 'Content-Type': 'application/json' }).end(body)
  }

  #answerStream(response: ServerResponse): void {
    const { streamStatus, whenCutOff, retryAfter, redirectTo } = this.behaviour
    this.streamsOpened += 1
    if (streamStatus !== 200) {
      if (retryAfter !== undefined) response.setHeader('Retry-After', retryAfter)
      if (redirectTo !== undefined) response.setHeader('Location', redirectTo)
      response.writeHead(streamStatus).end()
      return
    }
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store, no-transform',
    })
    response.flushHeaders()
    if (this.behaviour.holdsStreams) return
    this.#streams.add(response)
    const snapshot = {
      revocations: this.revocations,
      as_of: new Date(this.now()).toISOString(),
      when_cut_off: whenCutOff,
    }
    response.write(`event: snapshot\ndata: ${JSON.stringify(snapshot)}\n\n`)
    const timer = setInterval(() => {
      const { isSilent, sendsHeartbeats } = this.behaviour
      if (isSilent || !sendsHeartbeats) return
      const at = new Date(this.now()).toISOString()
      response.write(`event: heartbeat\ndata: ${JSON.stringify({ at })}\n\n`)
    }, this.behaviour.heartbeatMilliseconds)
    this.#timers.add(timer)
    response.on('close', () => {
      clearInterval(timer)
      this.#timers.delete(timer)
      this.#streams.delete(response)
    })
  }

  async #answerIntrospection(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await bodyOf(request))
    this.introspections.push(form)
    const { introspectionStatus, introspectionDelay } = this.behaviour
    await new Promise((resolve) => setTimeout(resolve, introspectionDelay))
    const active = this.isActive(form.get('token') ?? '')
    response
      .writeHead(introspectionStatus, { 'Content-Type': 'application/json' })
      .end(JSON.stringify({ active }))
  }

  async #answerActivity(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    const batch = JSON.parse(body)
    this.activityAttempts.push(body)
    const { activityStatus } = this.behaviour
    if (activityStatus === 200) this.batches.push(batch)
    response
      .writeHead(activityStatus, { 'Content-Type': 'application/json' })
      .end(JSON.stringify({ accepted: 0, duplicates: 0, rejected: this.rejectedActivity }))
  }

  #isRevoked(token: string): boolean {
    const [, payload = ''] = token.split('.')
    const { jti, grant_id, sub } = JSON.parse(Buffer.from(payload, 'base64url').toString())
    return this.revocations.some(
      ({ kind, target }) => kind === 'resource' || [jti, grant_id, sub].includes(target),
    )
  }
}

export type WireEvent = Readonly<Record<string, unknown>>

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}
