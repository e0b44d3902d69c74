// A service that Hallpass protects. It knows nothing of Hallpass: any JWT library and the JWKS URL will do.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

export interface BillingServiceOptions {
  readonly issuer: string
  readonly jwksUrl: string
  readonly audience: string
}

function createBillingService({ issuer, jwksUrl, audience }: BillingServiceOptions): Hono {
  const keys = createRemoteJWKSet(new URL(jwksUrl))
  const app = new Hono()
  app.get('/invoices/:id', async (c) => {
    const token = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? ''
    try {
      const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt' })
      if (!String(payload.scope).split(' ').includes('invoices:read')) {
        return c.json({ error: 'insufficient_scope' }, 403)
      }
      return c.json({ id: c.req.param('id'), amount: '42.00 EUR', read_by: payload.sub })
    } catch (error) {
      if (error instanceof errors.JOSEError) return c.json({ error: 'invalid_token' }, 401)
      throw error
    }
  })
  return app
}

/** Listens on loopback; port 0 picks a free one. */
export function startBillingService(options: BillingServiceOptions & { readonly port: number }) {
  const app = createBillingService(options)
  return new Promise<{ url: string; stop: () => Promise<void> }>((resolve) => {
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: options.port }, (at) =>
      resolve({
        url: `http://127.0.0.1:${at.port}`,
        stop: () => new Promise((done) => server.close(() => done())),
      }),
    )
  })
}
