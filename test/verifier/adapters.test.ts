import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import * as forExpress from '../../src/verifier/express.ts'
import * as forFastify from '../../src/verifier/fastify.ts'
import * as forHono from '../../src/verifier/hono.ts'
import type { Verifier } from '../../src/verifier/index.ts'
import * as forNode from '../../src/verifier/node.ts'
import { until } from '../support/until.ts'
import { boundTo, prove } from './support/proof-mint.ts'
import { audience, issuer, mint, newKey } from './support/token-mint.ts'
import { readyVerifier, startBroker } from './support/verifiers.ts'

interface Service {
  readonly url: string
  stop(): Promise<void>
}

const running: Service[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.stop()))
})

const wellKnown = '/.well-known/oauth-protected-resource'
const describeInvoice = { describe: () => ({ object: 'invoice 7' }) }

/** The same service, once for each framework: two guards before the handler, the handler names the subject. */
const services: Record<string, (verifier: Verifier) => Promise<Service>> = {
  hono: async (verifier) => {
    const app = new Hono<{ Variables: forHono.HallpassVariables }>()
    app.get(wellKnown, forHono.serveResourceMetadata(verifier))
    app.use('/invoices/*', forHono.requireScope(verifier, 'invoices:read', describeInvoice))
    app.get('/invoices/:id{[0-9]+}', forHono.requireScope(verifier, 'invoices:write'), (c) => {
      expect(c.get('access')).toBe(forHono.accessOf(c))
      return c.json({ subject: forHono.accessOf(c).subject })
    })
    app.get('/open', (c) => c.json(forHono.accessOf(c)))
    app.onError((error, c) => c.text(error.message, 500))
    return new Promise((resolve) => {
      const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
        resolve(serviceOf(port, () => new Promise<void>((done) => server.close(() => done())))),
      )
    })
  },
  express: async (verifier) => {
    const app = express()
    const router = express.Router()
    router.get('/:id', forExpress.requireScope(verifier, 'invoices:write'), (request, response) => {
      response.json({ subject: forExpress.accessOf(request).subject })
    })
    app.get(wellKnown, forExpress.serveResourceMetadata(verifier))
    app.use(
      '/invoices',
      forExpress.requireScope(verifier, 'invoices:read', describeInvoice),
      router,
    )
    app.get('/open', (request, response) => {
      try {
        response.json(forExpress.accessOf(request))
      } catch (error) {
        response.status(500).send(error instanceof Error ? error.message : '')
      }
    })
    return listen(createServer(app))
  },
  fastify: async (verifier) => {
    const app = fastify()
    const onRequest = [
      forFastify.requireScope(verifier, 'invoices:read', describeInvoice),
      forFastify.requireScope(verifier, 'invoices:write'),
    ]
    app.get(wellKnown, forFastify.serveResourceMetadata(verifier))
    app.get('/invoices/:id(^\\d+$)', { onRequest }, async (request) => {
      return { subject: forFastify.accessOf(request).subject }
    })
    app.get('/open', async (request) => forFastify.accessOf(request))
    await app.listen({ host: '127.0.0.1', port: 0 })
    return serviceOf((app.server.address() as AddressInfo).port, () => app.close())
  },
  node: async (verifier) => {
    const read = forNode.requireScope(verifier, 'invoices:read', {
      describe: (request) => ({
        ...describeInvoice.describe(),
        route: request.url ? '/invoices/{id}' : '',
      }),
    })
    const write = forNode.requireScope(verifier, 'invoices:write')
    const metadata = forNode.serveResourceMetadata(verifier)
    const answer = async (
      ...[request, response]: Parameters<Parameters<typeof createServer>[1] & object>
    ) => {
      if (request.url === wellKnown) return metadata(request, response)
      if (request.url === '/open') return response.writeHead(500).end('requireScope')
      if ((await read(request, response)) === undefined) return
      const access = await write(request, response)
      if (access !== undefined) response.end(JSON.stringify({ subject: access.subject }))
    }
    return listen(createServer((request, response) => void answer(request, response)))
  },
}

async function listen(server: ReturnType<typeof createServer>): Promise<Service> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = () => new Promise<void>((resolve) => server.close(() => resolve()))
  return serviceOf((server.address() as AddressInfo).port, stop)
}

function serviceOf(port: number, stop: () => Promise<unknown>): Service {
  const service = { url: `http://127.0.0.1:${port}`, stop: async () => void (await stop()) }
  running.push(service)
  return service
}

describe.each(Object.entries(services))('requireScope for %s', (name, start) => {
  async function setUp(options = {}) {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, { activity: true, ...options })
    const service = await start(verifier)
    const get = (authorization?: string, headers = {}) =>
      fetch(`${service.url}/invoices/7`, {
        headers: {
          Connection: 'close',
          ...(authorization === undefined ? {} : { Authorization: authorization }),
          ...headers,
        },
      })
    return { broker, verifier, service, get }
  }

  it('lets a good token through and tells the handler who it is', async () => {
    const { broker, get } = await setUp()
    const answer = await get(`Bearer ${mint(broker.key)}`)
    expect([answer.status, await answer.json()]).toEqual([200, { subject: 'alice@example.com' }])
    expect((await get(`bearer   ${mint(broker.key)}  `)).status).toBe(200)
  })

  it('answers 401 with both challenges to a request without a token', async () => {
    const { get } = await setUp()
    for (const authorization of [undefined, 'Basic YTpi']) {
      const answer = await get(authorization)
      expect(answer.status).toBe(401)
      expect(await answer.json()).toMatchObject({ status: 401, code: 'token_missing' })
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json\b/)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      const metadata = `resource_metadata="${audience}${wellKnown}"`
      const challenges = answer.headers.get('www-authenticate')
      expect(challenges).toMatch(/^Bearer resource_metadata="[^"]+", DPoP algs="[^"]+", /)
      expect(challenges).toContain(metadata)
      expect(challenges).not.toContain('error')
    }
  })

  it('answers 401 invalid_token to a token that is none', async () => {
    const { get } = await setUp()
    const answer = await get('Bearer abc')
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token"/)
  })

  it('answers 403 with the scope that is missing', async () => {
    const { broker, get } = await setUp()
    const answer = await get(`Bearer ${mint(broker.key, { scope: 'invoices:read' })}`)
    expect(answer.status).toBe(403)
    expect(answer.headers.get('www-authenticate')).toMatch(
      /^Bearer error="insufficient_scope", .*scope="invoices:write"/,
    )
  })

  it('refuses two Authorization headers, whichever is good', async () => {
    const { broker, service } = await setUp()
    const good = `Bearer ${mint(broker.key)}`
    for (const headers of [
      [good, 'Bearer abc'],
      ['Bearer abc', good],
      [good, good],
    ]) {
      expect(await statusOfRaw(`${service.url}/invoices/7`, headers)).toBe(401)
    }
  })

  it('answers 503 without a challenge when it cannot be told', async () => {
    const { broker, verifier, get } = await setUp()
    await verifier.stop()
    const answer = await get(`Bearer ${mint(broker.key)}`)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('www-authenticate')).toBeNull()
    expect(answer.headers.get('retry-after')).toBe('1')
  })

  it('takes a bound token with its proof, through two guards, once', async () => {
    const { broker, service, get } = await setUp()
    const holder = newKey()
    const token = mint(broker.key, boundTo(holder))
    const DPoP = prove(holder, { method: 'GET', url: `${service.url}/invoices/7`, token })
    expect((await get(`DPoP ${token}`, { DPoP })).status).toBe(200)
    const again = await get(`DPoP ${token}`, { DPoP })
    expect(again.status).toBe(401)
    expect(again.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_dpop_proof"/)
    expect((await get(`Bearer ${token}`, { DPoP })).status).toBe(401)
    expect((await get(`DPoP ${token}`)).status).toBe(401)
  })

  it('serves the metadata of the resource', async () => {
    const { service } = await setUp({ scopes: ['invoices:read'] })
    const answer = await fetch(service.url + wellKnown, { headers: { Connection: 'close' } })
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await answer.json()).toEqual({
      resource: audience,
      authorization_servers: [issuer],
      bearer_methods_supported: ['header'],
      scopes_supported: ['invoices:read'],
      dpop_signing_alg_values_supported: expect.arrayContaining(['ES256']),
    })
  })

  it('tells the broker of each decision: route, status, object, never the path', async () => {
    const { broker, verifier, get } = await setUp()
    await (await get(`Bearer ${mint(broker.key)}`)).text()
    await (await get(`Bearer ${mint(broker.key, { scope: 'invoices:read' })}`)).text()
    await until('all is recorded', () => verifier.status().activity?.waitingCount === 4)
    await verifier.stop()
    const events = broker.batches.flatMap((batch) => batch.events)
    const route = name === 'node' ? undefined : '/invoices/{id}'
    expect(events).toHaveLength(4)
    for (const event of events) {
      expect(event).toMatchObject({
        method: 'GET',
        grant_id: 'grt_1',
        subject: 'alice@example.com',
      })
      if (route !== undefined && event.outcome === 'allowed') expect(event.route).toBe(route)
      expect(JSON.stringify(event)).not.toContain('/invoices/7')
    }
    expect(
      events.map(({ scope, outcome, status }) => `${scope} ${outcome} ${status}`).sort(),
    ).toEqual([
      'invoices:read allowed 200',
      'invoices:read allowed 403',
      'invoices:write allowed 200',
      'invoices:write denied 403',
    ])
    const objects = events.filter(({ object }) => object === 'invoice 7')
    expect(objects.map(({ scope }) => scope)).toEqual(['invoices:read', 'invoices:read'])
  })

  it('is a fault when the handler stands behind none, or when it names no scope', async () => {
    const { verifier, service } = await setUp()
    const answer = await fetch(`${service.url}/open`, { headers: { Connection: 'close' } })
    expect([answer.status, await answer.text()]).toEqual([
      500,
      expect.stringContaining('requireScope'),
    ])
    expect(() => forHono.requireScope(verifier, '')).toThrow(TypeError)
    expect(() => forExpress.requireScope(verifier, ' ')).toThrow(TypeError)
    expect(() => forFastify.requireScope(verifier, 'a  b')).toThrow(TypeError)
    expect(() => forNode.requireScope(verifier, undefined as never)).toThrow(TypeError)
  })
})

function statusOfRaw(url: string, authorizations: readonly string[]): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = ['Host', new URL(url).host, 'Connection', 'close']
    for (const value of authorizations) headers.push('Authorization', value)
    httpRequest(url, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
}
