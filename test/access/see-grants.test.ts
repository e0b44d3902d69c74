import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import { effectiveState, type Grant, type GrantState } from '../../src/access/grant.ts'
import { expireGrants, getGrant, listGrants } from '../../src/access/index.ts'
import type { OperationContext } from '../../src/context.ts'
import { useGrantFixture } from './grant-fixture.ts'

const use = useGrantFixture()
const states: GrantState[] = ['scheduled', 'active', 'suspended', 'revoked', 'released', 'expired']

let alices: Grant
let danas: Grant
let bots: Grant
const everything: Grant[] = []

beforeAll(async () => {
  const fixture = use()
  alices = await fixture.insertGrant()
  danas = await fixture.insertGrant({ subject: 'dana@example.com', resource: 'ledger-api' })
  bots = await fixture.insertGrant({ subject: 'workload:invoice-bot' })
  everything.push(alices, danas, bots)
})

/** Who sees which of the three. */
const sight: [string, (fixture: ReturnType<typeof use>) => OperationContext, () => Grant[]][] = [
  ['its subject', ({ test }) => test.asPerson('alice@example.com'), () => [alices]],
  [
    'another account of its subject',
    ({ test }) => test.asPerson('alice.admin@example.com'),
    () => [alices],
  ],
  ['a subject elsewhere', ({ test }) => test.asPerson('dana@example.com'), () => [danas]],
  ['a workload', ({ test }) => test.asWorkload('invoice-bot'), () => [bots]],
  ["the resource's owner", ({ test }) => test.asPerson('carol@example.com'), () => [alices, bots]],
  ["its policy's reviewer", ({ test }) => test.asPerson('erin@example.com'), () => [alices, bots]],
  ['an admin', ({ test }) => test.asPerson('sam@example.com'), () => everything],
  ['an operator', ({ test }) => test.asOperator(), () => everything],
  ['a stranger', ({ test }) => test.asPerson('zoe@example.com'), () => []],
  [
    'a resource',
    ({ test }) => test.as({ kind: 'resource', id: 'billing-api', via: 'resource_credential' }),
    () => [],
  ],
]

describe('who sees a grant', () => {
  it.each(sight)('%s', async (_, actor, expected) => {
    const ctx = actor(use())
    const seen = expected().map(({ id }) => id)
    const page = await listGrants(ctx, { limit: 200 })
    expect(page.items.map(({ id }) => id).sort()).toEqual([...seen].sort())
    for (const { id } of everything) {
      const answer = getGrant(ctx, { grantId: id })
      if (seen.includes(id)) expect((await answer).id).toBe(id)
      else await expect(answer).rejects.toMatchObject({ code: 'not_found' })
    }
  })

  it('is answered to nobody', async () => {
    const nobody = use().test.as({ kind: 'anonymous', id: 'anonymous', via: 'none' })
    await expect(listGrants(nobody, { limit: 1 })).rejects.toMatchObject({
      code: 'unauthenticated',
    })
  })

  it('gives a stranger the same answer for a grant that exists and one that does not', async () => {
    const ctx = use().test.asPerson('zoe@example.com')
    const answers = await Promise.allSettled([
      getGrant(ctx, { grantId: alices.id }),
      getGrant(ctx, { grantId: 'grt_01JNB7V6Z0QK3W8E5T9Y2R4V6H' }),
    ])
    const [hidden, missing] = answers.map((answer) =>
      answer.status === 'rejected' ? [answer.reason.code, answer.reason.message] : [],
    )
    expect(hidden).toEqual(missing)
  })

  it('narrows by filter what one may see, and never refuses a filter', async () => {
    const ctx = use().test.asPerson('alice@example.com')
    expect((await listGrants(ctx, { subject: 'dana@example.com', limit: 50 })).items).toEqual([])
    expect((await listGrants(ctx, { resource: 'ledger-api', limit: 50 })).items).toEqual([])
    const own = await listGrants(ctx, {
      subject: 'alice@example.com',
      resource: 'billing-api',
      state: 'active',
      limit: 50,
    })
    expect(own.items.map(({ id }) => id)).toEqual([alices.id])
  })
})

describe('a grant as it is shown', () => {
  it('has every field of the contract and nothing else', async () => {
    const view = await getGrant(use().test.asPerson('alice@example.com'), { grantId: alices.id })
    expect(view).toEqual({
      id: alices.id,
      requestId: alices.requestId,
      subject: 'alice@example.com',
      resource: 'billing-api',
      audience: 'https://billing.example.com',
      role: 'billing-operator',
      scopes: ['invoices:read'],
      state: 'active',
      startsAt: alices.startsAt,
      endsAt: alices.endsAt,
      endedAt: null,
      endedBy: null,
      endReason: null,
      lastUsedAt: null,
    })
  })

  it('tells when it was last used', async () => {
    const fixture = use()
    const at = fixture.test.clock.now()
    await fixture.test.services.database.read((db) =>
      db.execute(sql`insert into grant_usage (grant_id, first_used_at, last_used_at)
        values (${alices.id}, ${at.toISOString()}, ${at.toISOString()})`),
    )
    const ctx = fixture.test.asPerson('alice@example.com')
    expect((await getGrant(ctx, { grantId: alices.id })).lastUsedAt).toEqual(at)
    expect((await listGrants(ctx, { limit: 1 })).items[0]?.lastUsedAt).toEqual(at)
  })

  it('reads the same before and after the job that stores its end', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant({ subject: 'late@example.com', endsIn: 5 })
    fixture.test.clock.advance(5)
    const ctx = fixture.test.asPerson('late@example.com')
    const before = await getGrant(ctx, { grantId: grant.id })
    expect(before).toMatchObject({ state: 'expired', endedAt: grant.endsAt })
    await expireGrants(fixture.test.asJob('expire-grants'))
    expect((await fixture.stored(grant.id)).state).toBe('expired')
    expect(await getGrant(ctx, { grantId: grant.id })).toEqual(before)
  })
})

describe('lists', () => {
  it('filter by the state that time has made, for every stored state and instant', async () => {
    const fixture = use()
    const subject = 'states@example.com'
    const grants: Grant[] = []
    for (const state of states) {
      grants.push(
        await fixture.insertGrant({ subject, state, startsIn: -10, endsIn: 0 }),
        await fixture.insertGrant({ subject, state, startsIn: 0, endsIn: 1 }),
        await fixture.insertGrant({ subject, state, startsIn: 1, endsIn: 2 }),
      )
    }
    const ctx = fixture.test.asPerson(subject)
    for (let second = 0; second < 4; second += 1) {
      const now = fixture.test.clock.now()
      for (const state of states) {
        const page = await listGrants(ctx, { state, limit: 200 })
        const expected = grants.filter((grant) => effectiveState(grant, now) === state)
        expect(page.items.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort())
        expect(page.items.every((item) => item.state === state)).toBe(true)
      }
      fixture.test.clock.advance(0.5)
    }
  })

  it('go page by page, newest first, each grant once', async () => {
    const fixture = use()
    const subject = 'pages@example.com'
    const ids: string[] = []
    for (let count = 0; count < 7; count += 1) {
      fixture.test.clock.advance(1)
      ids.unshift((await fixture.insertGrant({ subject })).id)
    }
    const ctx = fixture.test.asPerson(subject)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await listGrants(ctx, { limit: 3, cursor })
      seen.push(...page.items.map(({ id }) => id))
      expect(page.items.length).toBeLessThanOrEqual(3)
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen).toEqual(ids)
  })

  it('find a person however the address is written', async () => {
    const fixture = use()
    const { id } = await fixture.insertGrant({ subject: 'capital@example.com' })
    const ctx = fixture.test.asPerson('sam@example.com')
    const { items } = await listGrants(ctx, { subject: 'Capital@Example.com', limit: 3 })
    expect(items).toMatchObject([{ id }])
  })

  it('refuse a cursor from elsewhere', async () => {
    const ctx = use().test.asPerson('alice@example.com')
    await expect(listGrants(ctx, { limit: 3, cursor: 'bm9wZQ' })).rejects.toMatchObject({
      code: 'invalid_cursor',
    })
  })
})
