import { Registry } from 'prom-client'
import { expect, it, vi } from 'vitest'
import { addReference, operationsRoutes } from '../../src/http/operations-routes.ts'
import { newRouter } from '../../src/http/routing.ts'

it('describes the routes once, however often strangers ask', async () => {
  const app = newRouter()
  app.route('/', operationsRoutes({ registry: new Registry(), checkReadiness: async () => ({}) }))
  const described = vi.spyOn(app, 'getOpenAPI31Document')
  addReference(app, '1.2.3', 'https://access.example.com')
  const answers = await Promise.all(
    ['/openapi.json', '/docs', '/openapi.json'].map((path) => app.request(path)),
  )
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(await answers[2]?.json()).toMatchObject({
    openapi: '3.1.0',
    info: { version: '1.2.3' },
    servers: [{ url: 'https://access.example.com' }],
  })
  expect(described).toHaveBeenCalledTimes(1)
})
