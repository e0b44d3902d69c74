import { describe, expect, it } from 'vitest'
import { describeEvent } from '../../src/notify/describe-event.ts'
import { createConsoleNotifier, type OutboxEvent } from '../../src/notify/index.ts'

const event = (data: Readonly<Record<string, unknown>>): OutboxEvent => ({
  id: 'evt_1',
  type: 'grant.opened',
  orderKey: 'req_1',
  data,
  createdAt: new Date('2026-03-04T10:00:00Z'),
})

describe('the line about an event', () => {
  it('says what happened, to whom and on what', () => {
    const data = {
      subject: 'alice@example.com',
      role: 'billing-operator',
      scopes: ['invoices:read', 'invoices:write'],
      ends_at: '2026-03-04T12:00:00.000Z',
      justification: 'not shown',
    }
    expect(describeEvent(event(data))).toBe(
      'grant.opened req_1: subject=alice@example.com role=billing-operator scopes=invoices:read,invoices:write ends_at=2026-03-04T12:00:00.000Z',
    )
  })

  it('is only the name and the key when there is nothing to show', () => {
    expect(describeEvent(event({ subject: null, role: { nested: true } }))).toBe(
      'grant.opened req_1',
    )
  })

  it('stays one short line, whatever it is given', () => {
    const line = describeEvent(event({ subject: `a\nb\u001b[31m${'c'.repeat(500)}` }))
    expect(line).not.toMatch(/\p{Cc}/u)
    expect(line.length).toBeLessThan(150)
  })
})

describe('the console notifier', () => {
  it('logs one line per event', async () => {
    const lines: unknown[] = []
    const silent = () => {}
    const log = {
      debug: silent,
      warn: silent,
      error: silent,
      info: (fields: object, message: string) => lines.push([fields, message]),
    }
    const notifier = createConsoleNotifier(log)
    await notifier.deliver(event({ subject: 'alice@example.com' }), AbortSignal.timeout(1_000))
    expect(notifier.name).toBe('console')
    expect(lines).toEqual([
      [
        { event_id: 'evt_1', event_type: 'grant.opened' },
        'grant.opened req_1: subject=alice@example.com',
      ],
    ])
  })
})
