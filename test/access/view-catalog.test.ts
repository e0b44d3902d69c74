import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import { disableSubject, explainAccess, viewCatalog } from '../../src/access/index.ts'
import { applyCatalog } from '../../src/catalog/index.ts'
import { useTestServices } from '../support/context.ts'

const test = await useTestServices({ startAt: new Date('2026-03-02T09:30:00Z') })

const catalog = `version: 1
groups:
  engineering: [alice@example.com]
  leads: [bob@example.com]
  oncall: ['claim:okta-oncall']
admins: [sam@example.com]
workloads:
  bot: { owner: engineering }
resources:
  api: { audience: https://api.example.com, owner: leads, scopes: { read: Read } }
roles:
  reader: { resource: api, scopes: [read] }
policies:
  - name: read
    roles: [reader]
    requesters: [engineering, oncall, 'workload:bot']
    max_duration: 8h
    justification: { min_length: 10 }
    approval: [{ from: [leads], count: 1 }]
`

async function seenBefore(id: string, claims: readonly string[], at: Date) {
  await test.services.database.read((db) =>
    db.execute(sql`insert into subject (id, kind, claim_groups, claims_at, created_at)
      values (${id}, 'person', ${sql.param(claims)}, ${at.toISOString()}::timestamptz, now())`),
  )
}

const rolesSeenBy = async (id: string) => {
  const { roles } = await viewCatalog(test.asPerson(id))
  return roles.map(({ name }) => name)
}

beforeAll(async () => {
  await applyCatalog(test.asOperator(), { content: catalog })
})

describe('viewing the catalog', () => {
  it('shows what the actor may ask for, and nothing to those who may ask for nothing', async () => {
    expect(await rolesSeenBy('alice@example.com')).toEqual(['reader'])
    expect(await rolesSeenBy('bob@example.com')).toEqual([])
  })

  it('shows a workload what it may ask for', async () => {
    const { roles, version } = await viewCatalog(test.asWorkload('bot'))
    expect(version).toBe(1)
    expect(roles.map(({ name }) => name)).toEqual(['reader'])
  })

  it('counts a claim from a sign-in of the last 24 h, and no older one', async () => {
    const day = 24 * 60 * 60 * 1000
    const now = test.clock.now().getTime()
    await seenBefore('dana@example.com', ['okta-oncall'], new Date(now - day + 60_000))
    await seenBefore('carol@example.com', ['okta-oncall'], new Date(now - day - 60_000))
    await seenBefore('eve@example.com', ['oncall', 'engineering'], new Date(now))
    expect(await rolesSeenBy('dana@example.com')).toEqual(['reader'])
    expect(await rolesSeenBy('carol@example.com')).toEqual([])
    expect(await rolesSeenBy('eve@example.com')).toEqual([])
  })

  it('is refused to a disabled person, a resource and a job', async () => {
    await seenBefore('gone@example.com', [], test.clock.now())
    await disableSubject(test.asPerson('sam@example.com'), {
      subject: 'gone@example.com',
      reason: 'left the company',
    })
    await expect(viewCatalog(test.asPerson('gone@example.com'))).rejects.toMatchObject({
      code: 'not_permitted',
    })
    await expect(viewCatalog(test.asJob('expire'))).rejects.toMatchObject({ code: 'not_permitted' })
    const resource = test.as({ kind: 'resource', id: 'api', via: 'resource_credential' })
    await expect(viewCatalog(resource)).rejects.toMatchObject({ code: 'not_permitted' })
  })
})

describe('explaining access', () => {
  const ask = {
    role: 'reader',
    subject: undefined,
    scopes: undefined,
    durationSeconds: 3_600,
    justification: undefined,
    ticket: undefined,
    startsAt: undefined,
    isBreakGlass: false,
  }

  it('is of the actor’s own ask unless another subject is named', async () => {
    expect(await explainAccess(test.asPerson('alice@example.com'), ask)).toMatchObject({
      subject: 'alice@example.com',
      decision: 'review',
      policy: 'read',
      catalogVersion: 1,
      seats: [{ couldFill: ['bob@example.com'] }],
    })
  })

  it('of another’s is for admins and operators', async () => {
    const others = { ...ask, subject: 'alice@example.com' }
    expect(await explainAccess(test.asPerson('sam@example.com'), others)).toMatchObject({
      decision: 'review',
    })
    expect(await explainAccess(test.asOperator(), others)).toMatchObject({ decision: 'review' })
    await expect(explainAccess(test.asPerson('bob@example.com'), others)).rejects.toMatchObject({
      code: 'not_permitted',
    })
  })

  it('says the same as the claims that the subject really has', async () => {
    const explained = async (subject: string) =>
      (await explainAccess(test.asOperator(), { ...ask, subject })).decision
    expect(await explained('dana@example.com')).toBe('review')
    expect(await explained('carol@example.com')).toBe('deny')
  })

  it('changes nothing and tells the reasons that asking would be refused for', async () => {
    const explanation = await explainAccess(test.asPerson('alice@example.com'), {
      ...ask,
      durationSeconds: 90_000,
      justification: 'short',
    })
    expect(explanation).toMatchObject({ decision: 'deny', policy: 'read' })
    expect(explanation.reasons.map(({ code }) => code)).toEqual([
      'duration_too_long',
      'justification_too_short',
    ])
    const { rows } = await test.services.database.read((db) =>
      db.execute(sql`select count(*)::int as count from access_request`),
    )
    expect(rows).toEqual([{ count: 0 }])
  })
})
