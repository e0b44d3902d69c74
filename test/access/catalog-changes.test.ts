import { describe, expect, it } from 'vitest'
import { getRequest } from '../../src/access/index.ts'
import { useRequestFixture } from './request-fixture.ts'

const use = useRequestFixture()

const engineering = 'engineering: [alice@example.com, dana@example.com, bob@example.com]'
const leads = 'payments-leads: [bob@example.com, carol@example.com, alice.admin@example.com]'
const security = 'security: [sam@example.com, bob.admin@example.com]'
const oneSeat = `auto_approve: '"oncall" in subject.groups && request.duration <= duration("30m")'
    approval: [{ from: [payments-leads], count: 1 }]`

describe('a requester who lost the right while the request waited', () => {
  it('gets nothing: the completing approval is refused and audited, the request stays pending', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await fixture.changeCompany([engineering, 'engineering: [dana@example.com]'])
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({ code: 'not_eligible' })
    const [entry] = await fixture.lastAudit(1)
    expect(entry).toMatchObject({ outcome: 'refused', code: 'not_eligible', request_id: id })
    expect(await fixture.reviewsOf(id)).toEqual([])
    expect(await fixture.grantsOf(id)).toEqual([])
    expect(await fixture.stored(id)).toMatchObject({ state: 'pending', version: 1 })
    await fixture.restore()
    expect(await fixture.approve('bob', id)).toMatchObject({ state: 'approved' })
  })

  it('is refused at the completing review, not at one before it', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.changeCompany([engineering, 'engineering: [dana@example.com]'])
    expect(await fixture.approve('carol', id)).toMatchObject({ state: 'pending' })
    await expect(fixture.approve('sam', id)).rejects.toMatchObject({ code: 'not_eligible' })
  })

  it('can still be denied', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await fixture.changeCompany([engineering, 'engineering: [dana@example.com]'])
    expect(await fixture.deny('bob', id)).toMatchObject({ state: 'denied' })
  })

  it('through a claim that went stale', async () => {
    const fixture = use()
    await fixture.changeCompany([engineering, "engineering: ['claim:okta-engineers']"])
    await fixture.signedIn('alice', ['okta-engineers'], 23)
    const { id } = await fixture.ask('alice')
    fixture.test.clock.advance(3601)
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({ code: 'not_eligible' })
  })
})

describe('limits that became tighter while the request waited', () => {
  it('refuse what is now too long; a reviewer may narrow it to what is allowed', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { durationSeconds: 14_400 })
    await fixture.changeCompany(['max_duration: 4h', 'max_duration: 1h'])
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({
      code: 'outside_policy',
      options: { reasons: [{ code: 'duration_too_long' }] },
    })
    expect(await fixture.approve('bob', id, { durationSeconds: 3600 })).toMatchObject({
      state: 'approved',
      durationSeconds: 3600,
    })
  })

  it('refuse a scope that the role has lost, and never grant it', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await fixture.changeCompany([
      'operator: { resource: billing-api, scopes: [invoices:read, invoices:write] }',
      'operator: { resource: billing-api, scopes: [invoices:read] }',
    ])
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({ code: 'outside_policy' })
    await fixture.approve('bob', id, { scopes: ['invoices:read'] })
    expect(await fixture.grantsOf(id)).toMatchObject([{ scopes: ['invoices:read'] }])
  })

  it('never give a role that moved to another resource', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await fixture.changeCompany(
      ['operator: { resource: billing-api,', 'operator: { resource: other-api,'],
      [
        'roles:\n  reader',
        `  other-api:
    title: Other
    audience: https://other.example.com
    owner: owners
    sensitivity: high
    scopes: { invoices:read: Read, invoices:write: Write }
roles:
  reader`,
      ],
    )
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({ code: 'not_eligible' })
    expect(await fixture.grantsOf(id)).toEqual([])
  })
})

describe('seats that changed while the request waited', () => {
  const twoSeats = `approval: [{ from: [payments-leads], count: 1 }, { from: [security], count: 1 }]`

  it('must be filled as the current policy wants them, too', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await fixture.changeCompany([oneSeat, twoSeats])
    const first = await fixture.approve('carol', id)
    expect(first).toMatchObject({ state: 'pending', version: 1 })
    expect(first.eligibleReviewers).toEqual(['bob.admin@example.com', 'sam@example.com'])
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({ code: 'seat_filled' })
    expect(await fixture.approve('sam', id)).toMatchObject({ state: 'approved' })
  })

  it('must be filled as they were recorded at ask, though the policy wants fewer now', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.changeCompany([twoSeats, 'approval: [{ from: [payments-leads], count: 1 }]'])
    expect(await fixture.approve('bob', id)).toMatchObject({
      state: 'pending',
      eligibleReviewers: ['sam@example.com'],
    })
    expect(await fixture.approve('sam', id)).toMatchObject({ state: 'approved' })
  })

  it('must be filled as recorded, though the policy would need no approval now', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await fixture.changeCompany([oneSeat, 'approval: none'])
    expect(await getRequest(fixture.person('alice'), { requestId: id })).toMatchObject({
      state: 'pending',
    })
    expect(await fixture.approve('bob', id)).toMatchObject({ state: 'approved' })
  })

  it('let another group in, and keep the recorded one', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await fixture.changeCompany([oneSeat, 'approval: [{ from: [security], count: 1 }]'])
    const viewed = await getRequest(fixture.person('sam'), { requestId: id })
    expect(viewed.eligibleReviewers).toEqual([
      'bob.admin@example.com',
      'bob@example.com',
      'carol@example.com',
      'sam@example.com',
    ])
    await fixture.approve('sam', id)
    expect(await fixture.approve('carol', id)).toMatchObject({ state: 'approved' })
  })

  it('need the browser once policy says so', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await fixture.changeCompany([oneSeat, `approve_in: browser\n    ${oneSeat}`])
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({ code: 'browser_required' })
  })

  it('of a group that is gone can be filled by nobody, and the request waits out its time', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.changeCompany(
      [`  ${security}\n`, ''],
      [twoSeats, 'approval: [{ from: [payments-leads], count: 1 }]'],
      ['from: [payments-leads, security], count: 2', 'from: [payments-leads], count: 2'],
      [
        'approval: [{ from: [security], count: 1 }]',
        'approval: [{ from: [payments-leads], count: 1 }]',
      ],
    )
    expect(await fixture.approve('bob', id)).toMatchObject({
      state: 'pending',
      eligibleReviewers: [],
    })
  })
})

describe('a reviewer who was counted and is no longer eligible', () => {
  it('is set aside at the completing review; another must fill the seat', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.approve('carol', id)
    await fixture.changeCompany([
      leads,
      'payments-leads: [bob@example.com, alice.admin@example.com]',
    ])
    const second = await fixture.approve('sam', id)
    expect(second).toMatchObject({
      state: 'pending',
      approval: [{ approvedBy: [] }, { approvedBy: ['sam@example.com'] }],
      eligibleReviewers: ['bob@example.com'],
    })
    expect(await fixture.grantsOf(id)).toEqual([])
    expect(await fixture.approve('bob', id)).toMatchObject({
      state: 'approved',
      approval: [{ approvedBy: ['bob@example.com'] }, { approvedBy: ['sam@example.com'] }],
    })
  })

  it('counts again once eligible again, and any reviewer can then complete the request', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.approve('carol', id)
    await fixture.changeCompany([
      leads,
      'payments-leads: [bob@example.com, alice.admin@example.com]',
    ])
    await fixture.approve('sam', id)
    await fixture.restore()
    const waiting = await getRequest(fixture.person('alice'), { requestId: id })
    expect(waiting).toMatchObject({
      state: 'pending',
      approval: [{ approvedBy: ['carol@example.com'] }, { approvedBy: ['sam@example.com'] }],
      eligibleReviewers: ['bob.admin@example.com', 'bob@example.com'],
    })
    expect(await fixture.approve('bob', id)).toMatchObject({ state: 'approved' })
  })

  it('is set aside when disabled', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.approve('carol', id)
    await fixture.setDisabled('carol', true)
    expect(await fixture.approve('sam', id)).toMatchObject({
      state: 'pending',
      eligibleReviewers: ['bob@example.com'],
    })
  })

  it('is set aside when the catalog learns that it is the requester', async () => {
    const fixture = use()
    const { id } = await fixture.ask('dana', { role: 'payer' })
    await fixture.approve('carol', id)
    await fixture.changeCompany(['people:\n', 'people:\n  dana@example.com: [carol@example.com]\n'])
    expect(await fixture.approve('sam', id)).toMatchObject({
      state: 'pending',
      approval: [{ approvedBy: [] }, { approvedBy: ['sam@example.com'] }],
    })
    await expect(fixture.approve('carol', id)).rejects.toMatchObject({ code: 'self_review' })
  })

  it('fills one seat with another when the catalog learns that they are one human', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.changeCompany([
      'approval: [{ from: [payments-leads], count: 1 }, { from: [security], count: 1 }]',
      'approval: [{ from: [payments-leads], count: 1 }, { from: [security], count: 1 }, { from: [owners], count: 1 }]',
    ])
    await fixture.approve('carol', id)
    await fixture.approve('sam', id)
    await fixture.changeCompany(['people:\n', 'people:\n  carol@example.com: [sam@example.com]\n'])
    const waiting = await getRequest(fixture.person('alice'), { requestId: id })
    expect(waiting.state).toBe('pending')
    expect(waiting.approval.flatMap(({ approvedBy }) => approvedBy)).toHaveLength(1)
  })
})

describe('the version of the catalog', () => {
  it('is named by the request as of the ask, and by the grant as of the approval', async () => {
    const fixture = use()
    const { id, catalogVersion } = await fixture.ask('alice')
    await fixture.changeCompany(['title: Billing API', 'title: Billing'])
    const approved = await fixture.approve('bob', id)
    expect(approved.catalogVersion).toBe(catalogVersion)
    expect(await fixture.grantsOf(id)).toMatchObject([{ catalogVersion: catalogVersion + 1 }])
  })
})
