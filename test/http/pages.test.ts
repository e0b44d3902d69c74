import { describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { type Answer, call } from '../support/client.ts'

const broker = useTestBroker()

function expectGuardedPage(answer: Answer): void {
  expect(answer.body).toMatch(/^<!DOCTYPE html><html lang="en">/)
  expect(answer.headers.get('x-frame-options')).toBe('DENY')
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  const policy = answer.headers.get('content-security-policy') ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).toContain("base-uri 'none'")
}

describe('a page', () => {
  it.each(['/sign-in', '/docs', '/oauth/authorize?client_id=nobody'])(
    '(%s) is standard HTML, in no frame, without script',
    async (path) => {
      const answer = await call(broker.url + path)
      expectGuardedPage(answer)
      expect(answer.body).not.toContain('<script')
    },
  )

  it('that is sent something else than a form says so with its own status', async () => {
    const answer = await call(`${broker.url}/sign-out`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{}',
    })
    expect(answer.status).toBe(415)
    expectGuardedPage(answer)
  })
})
