import { serve } from '@hono/node-server'
import { Hono } from 'hono'

/** The least that an HTTP hop can cost: Hono reads a form and answers a small object. */
const app = new Hono()
app.post('/', async (c) => {
  const form = new URLSearchParams(await c.req.text())
  return c.json({ active: form.has('token') })
})
const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  process.stdout.write(`trivial ready at http://127.0.0.1:${port}\n`)
})
// connections wait while others are measured
if ('keepAliveTimeout' in server) server.keepAliveTimeout = 60_000
process.on('SIGTERM', () => process.exit(0))
