import { beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type Client, clientWith, signIn } from '../support/client.ts'
import { type BrokerProcess, useInstallation } from './broker-process.ts'

const requesters = Array.from({ length: 20 }, (_, index) => `r${index}@example.com`)
/** Who clicks, at the same moment, each on another replica; and what policy wants. */
const situations = {
  'two people, a seat each': {
    approval: ['leads', 'security'],
    // Una fits both seats: only an exact assignment leaves the other one to Lee
    clicks: [
      ['una', 'approve'],
      ['lee', 'approve'],
    ],
  },
  'two people for one seat': {
    approval: ['leads'],
    clicks: [
      ['lee', 'approve'],
      ['max', 'approve'],
    ],
  },
  'one person twice': {
    approval: ['leads'],
    clicks: [
      ['lee', 'approve'],
      ['lee', 'approve'],
    ],
  },
  'one person twice who fits both seats': {
    approval: ['leads', 'security'],
    clicks: [
      ['una', 'approve'],
      ['una', 'approve'],
    ],
  },
  'one approves while another denies': {
    approval: ['leads'],
    clicks: [
      ['lee', 'approve'],
      ['max', 'deny'],
    ],
  },
} as const
type Situation = keyof typeof situations
const names = Object.keys(situations) as Situation[]
const rolesEach = 10
const roleOf = (situation: Situation, index: number) => `role-${names.indexOf(situation)}-${index}`
const rolesOf = (situation: Situation) =>
  Array.from({ length: rolesEach }, (_, index) => roleOf(situation, index))

const catalog = {
  version: 1,
  groups: {
    requesters,
    leads: ['lee@example.com', 'max@example.com', 'una@example.com'],
    security: ['una@example.com', 'sam@example.com'],
  },
  resources: {
    api: {
      audience: 'https://api.example.com',
      owner: 'security',
      sensitivity: 'high',
      scopes: { 'things:read': 'Read things' },
    },
  },
  roles: Object.fromEntries(
    names.flatMap(rolesOf).map((role) => [role, { resource: 'api', scopes: ['things:read'] }]),
  ),
  policies: names.map((situation) => ({
    name: `policy-${names.indexOf(situation)}`,
    roles: rolesOf(situation),
    requesters: ['requesters'],
    max_duration: '4h',
    approval: situations[situation].approval.map((group) => ({ from: [group], count: 1 })),
  })),
}

interface Raced {
  readonly situation: Situation
  readonly id: string
  readonly answers: readonly Answer[]
}

const installation = await useInstallation({ catalog })
let replicas: readonly [BrokerProcess, BrokerProcess]
const sessions = new Map<string, Client>()
const raced: Raced[] = []

/** The same session on either replica. */
function as(name: string, replica: number): Client {
  const token = sessions.get(`${name}@example.com`)?.token
  if (token === undefined) throw new Error(`${name} is not signed in`)
  return clientWith(replicas[replica % 2 === 0 ? 0 : 1].url, token)
}

async function raceOne(situation: Situation, requester: number, index: number): Promise<void> {
  const role = roleOf(situation, index)
  const ask = { role, duration_seconds: 3600, justification: 'a race', scopes: ['things:read'] }
  const asked = await as(`r${requester}`, index).post('/v1/requests', ask)
  if (asked.status !== 201) throw new Error(`the ask gave ${JSON.stringify(asked)}`)
  const { id } = asked.body
  const answers = await Promise.all(
    situations[situation].clicks.map(([reviewer, verdict], replica) =>
      as(reviewer, replica + index).post(`/v1/requests/${id}/reviews`, { verdict }),
    ),
  )
  raced.push({ situation, id, answers })
}

const of = (situation: Situation) => raced.filter((race) => race.situation === situation)
const codes = ({ answers }: Raced) => answers.map(({ body }) => body.code ?? 'ok').sort()
const counted = ({ answers }: Raced) => answers.filter(({ status }) => status === 200).length

async function stateOf(situation: Situation) {
  const rows = await installation.query<{
    id: string
    state: string
    grants: number
    reviewers: string[]
    approved_by: string[]
  }>(
    `select r.id, r.state,
       (select count(*)::int from access_grant g where g.request_id = r.id) as grants,
       array(select v.reviewer from review v where v.request_id = r.id order by 1) as reviewers,
       array(select jsonb_array_elements_text(seat -> 'approved_by')
             from jsonb_array_elements(r.seats) seat order by 1) as approved_by
     from access_request r where r.id = any($1)`,
    [of(situation).map(({ id }) => id)],
  )
  return rows
}

beforeAll(async () => {
  replicas = await Promise.all([installation.start(), installation.start()])
  // nobody is owed a message: thousands of deliveries would only take their time
  await installation.query('delete from outbox_notifier')
  const people = [...requesters, ...['lee', 'max', 'una', 'sam'].map((n) => `${n}@example.com`)]
  for (const person of people) sessions.set(person, await signIn(replicas[0].url, person))
  const races = names.flatMap((situation) =>
    requesters.flatMap((_, requester) =>
      rolesOf(situation).map((_, index) => () => raceOne(situation, requester, index)),
    ),
  )
  for (let start = 0; start < races.length; start += 50) {
    await Promise.all(races.slice(start, start + 50).map((race) => race()))
  }
}, 180_000)

describe('1,000 requests reviewed twice at the same moment, on two replicas', () => {
  it('are 1,000, and every click is answered', () => {
    expect(raced).toHaveLength(1000)
    const statuses = new Set(raced.flatMap(({ answers }) => answers.map(({ status }) => status)))
    expect([...statuses].sort()).toEqual([200, 409])
  })

  it('open one grant when two people fill a seat each, whoever comes first', async () => {
    const situation = 'two people, a seat each'
    for (const race of of(situation)) expect(codes(race)).toEqual(['ok', 'ok'])
    for (const row of await stateOf(situation)) {
      expect(row).toMatchObject({ state: 'approved', grants: 1 })
      expect(row.approved_by).toEqual(['lee@example.com', 'una@example.com'])
    }
  })

  it('open one grant when two people want one seat, and refuse the second', async () => {
    const situation = 'two people for one seat'
    for (const race of of(situation)) expect(codes(race)).toEqual(['ok', 'request_closed'])
    for (const row of await stateOf(situation)) {
      expect(row).toMatchObject({ state: 'approved', grants: 1 })
      expect(row.reviewers).toHaveLength(1)
      expect(row.approved_by).toEqual(row.reviewers)
    }
  })

  it('count one person once, and open one grant', async () => {
    const situation = 'one person twice'
    for (const race of of(situation)) {
      const [first, second] = codes(race)
      expect(['already_reviewed', 'request_closed']).toContain(
        [first, second].find((code) => code !== 'ok'),
      )
      expect(counted(race)).toBe(1)
    }
    for (const row of await stateOf(situation)) {
      expect(row).toMatchObject({ state: 'approved', grants: 1, reviewers: ['lee@example.com'] })
    }
  })

  it('open nothing when one person clicks for both seats', async () => {
    const situation = 'one person twice who fits both seats'
    for (const race of of(situation)) expect(codes(race)).toEqual(['already_reviewed', 'ok'])
    for (const row of await stateOf(situation)) {
      expect(row).toMatchObject({ state: 'pending', grants: 0, reviewers: ['una@example.com'] })
      expect(row.approved_by).toEqual(['una@example.com'])
    }
  })

  it('go by whoever came first when one approves and another denies', async () => {
    const situation = 'one approves while another denies'
    for (const race of of(situation)) expect(codes(race)).toEqual(['ok', 'request_closed'])
    const rows = await stateOf(situation)
    for (const { state, grants, reviewers } of rows) {
      expect({ state, grants, reviewers }).toEqual(
        state === 'approved'
          ? { state, grants: 1, reviewers: ['lee@example.com'] }
          : { state: 'denied', grants: 0, reviewers: ['max@example.com'] },
      )
    }
  })

  it('leave one audit entry and one event for each review that counted', async () => {
    const expected = raced.reduce((sum, race) => sum + counted(race), 0)
    const [told] = await installation.query(
      `select
         (select count(*)::int from audit_entry
          where action = 'review-request' and outcome = 'ok') as entries,
         (select count(*)::int from outbox_event where type = 'request.reviewed') as reviewed,
         (select count(*)::int from outbox_event where type = 'grant.opened') as opened,
         (select count(*)::int from access_grant) as grants`,
    )
    expect(told).toMatchObject({ entries: expected, reviewed: expected, opened: told?.grants })
  })
})
