import { beforeAll, expect, it } from 'vitest'
import { applyCatalog } from '../../src/catalog/index.ts'
import { createApp } from '../../src/http/app.ts'
import type { HttpServices } from '../../src/http/index.ts'
import { revocationRoutes } from '../../src/http/revocation-routes.ts'
import { createCredential } from '../../src/identity/index.ts'
import { exampleCatalogText, useTestServices } from '../support/context.ts'
import { httpServices } from '../support/http-services.ts'

const { services, asOperator, asPerson } = await useTestServices()
let authorization: string

beforeAll(async () => {
  await applyCatalog(asOperator(), { content: exampleCatalogText() })
  const owner = { kind: 'resource', name: 'billing-api' } as const
  const { clientId, clientSecret } = await createCredential(asPerson('bob@example.com'), owner)
  authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`
})

const at = new Date('2026-01-05T09:00:00Z')
const revocation = {
  id: 'rvk_1',
  kind: 'grant',
  target: 'grt_1',
  resource: 'billing-api',
  at,
  forgetAt: new Date('2026-01-05T10:00:00Z'),
} as const

/** A feed whose live set is another from the `changesAt`th look on, and that tells nothing by itself. */
function feedThatChanges(changesAt: number): HttpServices['revocationFeed'] {
  const feed = httpServices(services).revocationFeed
  let looks = 0
  return {
    ...feed,
    isFresh: () => true,
    refresh: async () => {},
    snapshot: () => {
      looks += 1
      return { revocations: looks >= changesAt ? [revocation] : [], asOf: at }
    },
  }
}

async function pollWith(
  given: Partial<HttpServices>,
  query: string,
): Promise<{ response: Response; seconds: number }> {
  const app = createApp({ ...httpServices(services), ...given }, { modules: [revocationRoutes] })
  const ask = (path: string, headers: Record<string, string>) =>
    app.request(path, { headers: { Authorization: authorization, ...headers } })
  const etag = (await ask('/v1/revocations', {})).headers.get('etag') ?? ''
  const from = performance.now()
  const response = await ask(`/v1/revocations?${query}`, { 'If-None-Match': etag })
  return { response, seconds: (performance.now() - from) / 1000 }
}

it('tells at once what was revoked between looking and listening', async () => {
  // the first look gives the tag, the second finds nothing new, the third is the subscription's own
  const { response, seconds } = await pollWith({ revocationFeed: feedThatChanges(3) }, 'wait=4')
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({ revocations: [{ id: 'rvk_1' }] })
  expect(seconds).toBeLessThan(3)
})

it('does not hold a stopping broker up', async () => {
  const stopping = new AbortController()
  setTimeout(() => stopping.abort(), 200)
  const given = { revocationFeed: feedThatChanges(1_000), stopping: stopping.signal }
  const { response, seconds } = await pollWith(given, 'wait=4')
  expect(response.status).toBe(304)
  expect(seconds).toBeLessThan(3)
})

it('answers 304 when nothing was revoked while it waited', async () => {
  const given = { revocationFeed: feedThatChanges(1_000) }
  const { response, seconds } = await pollWith(given, 'wait=1')
  expect(response.status).toBe(304)
  expect(seconds).toBeGreaterThan(0.9)
})
