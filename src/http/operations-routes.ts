import { Counter, collectDefaultMetrics, Histogram, type Registry } from 'prom-client'
import { answerReference } from './reference-page.tsx'
import { newRouter, type Router } from './routing.ts'

/** What the probes and scrapers ask the composition root. */
export interface Operations {
  readonly registry: Registry
  /** Each check by name; `/readyz` is 200 only when all hold. */
  readonly checkReadiness: () => Promise<Readonly<Record<string, ReadinessCheck>>>
}

export interface ReadinessCheck {
  readonly isOk: boolean
  /** What to do when it is not. */
  readonly message?: string
}

/** `/healthz`, `/readyz`, `/metrics` */
export function operationsRoutes(operations: Operations): Router {
  const router = newRouter()
  router.get('/healthz', (c) => c.json({ status: 'ok' }))
  router.get('/readyz', async (c) => {
    const checks = await operations.checkReadiness()
    const isReady = Object.values(checks).every(({ isOk }) => isOk)
    const body = {
      status: isReady ? 'ready' : 'not_ready',
      checks: Object.fromEntries(
        Object.entries(checks).map(([name, { isOk, message }]) => [
          name,
          isOk ? { ok: true } : { ok: false, message },
        ]),
      ),
    }
    return c.json(body, isReady ? 200 : 503, { 'Cache-Control': 'no-store' })
  })
  router.get('/metrics', async (c) =>
    c.body(await operations.registry.metrics(), 200, {
      'Content-Type': operations.registry.contentType,
    }),
  )
  return router
}

/** Counts and times every answer by route template and status; never by path, which holds ids. */
export function measureAnswers(app: Router, registry: Registry): void {
  collectDefaultMetrics({ register: registry, prefix: 'hallpass_' })
  const count = new Counter({
    name: 'hallpass_http_answers_total',
    help: 'Answers by method, route and status',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  })
  const seconds = new Histogram({
    name: 'hallpass_http_answer_seconds',
    help: 'Time to answer, by route',
    labelNames: ['route'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  })
  app.use(async (c, next) => {
    const stop = seconds.startTimer()
    await next()
    const route = c.req.routePath
    stop({ route })
    count.inc({ method: c.req.method, route, status: c.res.status })
  })
}

/** `/openapi.json` (OpenAPI 3.1) from the routes themselves, and `/docs`, a page to read it by. */
export function addReference(app: Router, version: string, issuer: string): void {
  const describe = () =>
    app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Hallpass',
        version,
        description: 'Just-in-time access to APIs: ask, approve, hold a token that ends by itself.',
        license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      },
      servers: [{ url: issuer }],
    })
  // made once, when first asked for: it takes long, and anybody may ask
  let kept: ReturnType<typeof describe> | undefined
  const document = () => {
    kept ??= describe()
    return kept
  }
  app.get('/openapi.json', (c) => c.json(document()))
  app.get('/docs', (c) => answerReference(c, document()))
}
