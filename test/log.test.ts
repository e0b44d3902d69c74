import { describe, expect, it } from 'vitest'
import { createLog } from '../src/log.ts'

function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  const lines: string[] = []
  write(createLog((line) => lines.push(line), 'debug'))
  return lines.join('')
}

const jwt = `eyJ${'a'.repeat(30)}.eyJ${'b'.repeat(30)}.${'c'.repeat(40)}`

describe('the log', () => {
  it('writes one JSON line with time, level and message', () => {
    const line = JSON.parse(logged((log) => log.info({ grant_id: 'grt_1' }, 'opened')))
    expect(line).toMatchObject({ level: 'info', message: 'opened', grant_id: 'grt_1' })
    expect(Date.parse(line.time)).not.toBeNaN()
  })

  it.each(['access_token', 'client_secret', 'authorization', 'cookie', 'code_verifier', 'secret'])(
    'blacks out a member named %s, also one level down',
    (name) => {
      const text = logged((log) =>
        log.warn({ [name]: 'open-sesame', body: { [name]: 'open-sesame' } }, 'x'),
      )
      expect(text).not.toContain('open-sesame')
    },
  )

  it.each([
    ['a session token', `hps_${'x'.repeat(43)}`],
    ['a client secret', `hpk_${'x'.repeat(43)}`],
    ['a browser’s cookie', `hpb_${'x'.repeat(43)}`],
    ['an authorization code', `hpc_${'x'.repeat(43)}`],
    ['a JWT', jwt],
    ['a webhook secret', `whsec_${'A'.repeat(32)}`],
    ['a Slack token', 'xoxb-1234567890-abcdef'],
    ['a database password', 'postgres://app:open-sesame@db/hallpass'],
  ])('blacks out %s wherever it stands', (_, secret) => {
    const text = logged((log) =>
      log.error({ anything: `before ${secret} after` }, `in ${secret} text`),
    )
    expect(text).not.toContain(secret)
    expect(text).toContain('[redacted]')
  })

  it('tells the stable code of what went wrong, and no OAuth client’s code', () => {
    const line = logged((log) => log.warn({ code: 'catalog_reverted', body: { code: 'abc' } }, 'x'))
    expect(JSON.parse(line)).toMatchObject({
      code: 'catalog_reverted',
      body: { code: '[redacted]' },
    })
  })

  it('leaves the host of a database URL readable', () => {
    expect(logged((log) => log.info({ url: 'postgres://app:pw@db.example.com/x' }, 'm'))).toContain(
      'db.example.com',
    )
  })

  it('keeps debug lines out at the default level', () => {
    const lines: string[] = []
    createLog((line) => lines.push(line)).debug({}, 'quiet')
    expect(lines).toEqual([])
  })
})
