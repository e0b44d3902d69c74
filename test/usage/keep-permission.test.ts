import { beforeAll, expect, it } from 'vitest'
import { keptPermissionTable } from '../../src/database/schema/usage.ts'
import { keepPermission } from '../../src/usage/index.ts'
import { useTestServices } from '../support/context.ts'
import { auditEntries, prepare } from '../tokens/grants.ts'

const test = await useTestServices({ startAt: new Date('2026-03-02T09:00:00.000Z') })
const alice = test.asPerson('alice@example.com')
const inDays = (days: number) => new Date(test.clock.now().getTime() + days * 86_400_000)
const keep = (given: Partial<Parameters<typeof keepPermission>[1]> = {}, ctx = alice) =>
  keepPermission(ctx, {
    role: 'billing-operator',
    reason: 'month end',
    until: inDays(30),
    ...given,
  })

const stored = () => test.services.database.read((db) => db.select().from(keptPermissionTable))

beforeAll(() => prepare(test))

it('is stored with its reason, replaces what was said before, and is audited each time', async () => {
  await keep({ reason: '  month end\r\nand year end ' })
  const first = { subject: 'alice@example.com', role: 'billing-operator', until: inDays(30) }
  const keptAt = test.clock.now()
  expect(await stored()).toEqual([{ ...first, reason: 'month end\nand year end', keptAt }])
  test.clock.advance(60)
  await keep({ reason: 'once more', until: inDays(365) })
  expect(await stored()).toMatchObject([{ reason: 'once more', until: inDays(365) }])
  expect(await auditEntries(test, 'keep-permission')).toMatchObject([
    {
      actor_id: 'alice@example.com',
      subject: 'alice@example.com',
      outcome: 'ok',
      details: { role: 'billing-operator', until: first.until.toISOString() },
    },
    { details: { reason: 'once more' } },
  ])
})

it.each([
  ['a role that does not exist', { role: 'no-such-role' }, '/role'],
  ['an empty reason', { reason: ' \n ' }, '/reason'],
  ['a reason that is too long', { reason: 'x'.repeat(501) }, '/reason'],
  ['a reason that hides something', { reason: 'fine\u202etxt' }, '/reason'],
  ['a date that is past', { until: new Date('2026-03-02T09:00:00.000Z') }, '/until'],
  ['a date that is none', { until: new Date(Number.NaN) }, '/until'],
  ['a date more than 365 days ahead', { until: new Date('2027-03-03T09:00:00.000Z') }, '/until'],
])('refuses %s and writes nothing', async (_what, given, pointer) => {
  test.clock.set('2026-03-02T09:00:00.000Z')
  const before = [await stored(), await auditEntries(test, 'keep-permission')]
  await expect(keep(given)).rejects.toMatchObject({
    code: 'invalid_input',
    options: { errors: [{ pointer }] },
  })
  expect([await stored(), await auditEntries(test, 'keep-permission')]).toEqual(before)
})

it('is for people and workloads, each for what is their own', async () => {
  await keep({}, test.asWorkload('invoice-bot'))
  expect((await stored()).map(({ subject }) => subject)).toContain('workload:invoice-bot')
  await expect(keep({}, test.asJob('report-unused'))).rejects.toMatchObject({
    code: 'not_permitted',
  })
})
