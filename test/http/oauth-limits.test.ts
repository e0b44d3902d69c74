import { describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { type Answer, call } from '../support/client.ts'

const broker = useTestBroker({ HALLPASS_RATE_LIMITS: 'on' })

function post(path: string, body: string): Promise<Answer> {
  return call(broker.url + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body,
  })
}

describe('an OAuth endpoint', () => {
  it('refuses a body that is too large as 413, in its own words, and closes', async () => {
    const answer = await post('/oauth/token', `client_assertion=${'x'.repeat(70_000)}`)
    expect(answer.status).toBe(413)
    expect(answer.headers.get('connection')).toBe('close')
    expect(answer.body.error).toBe('invalid_request')
  })

  it('refuses a flood as 429, and says when to come again', async () => {
    let answer = await post('/oauth/token', 'grant_type=none')
    expect(answer.body.error).toBe('unsupported_grant_type')
    for (let count = 0; answer.status === 400 && count < 700; count += 1) {
      answer = await post('/oauth/token', 'grant_type=none')
    }
    expect(answer.status).toBe(429)
    expect(answer.body.error).toBe('temporarily_unavailable')
    const seconds = Number(answer.headers.get('retry-after'))
    expect(seconds).toBeGreaterThanOrEqual(1)
    expect(seconds).toBeLessThanOrEqual(60)
    const other = await post('/oauth/revoke', 'token=x&client_id=x')
    expect(other.status).toBe(429)
  })
})
