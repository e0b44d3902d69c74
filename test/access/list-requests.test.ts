import { beforeAll, describe, expect, it } from 'vitest'
import { cursorOf } from '../../src/access/cursor.ts'
import {
  cancelRequest,
  commentRequest,
  getRequest,
  listRequests,
  type RequestFilter,
  submitRequest,
} from '../../src/access/index.ts'
import { operatorAsk, type RequestFixture, useRequestFixture } from './request-fixture.ts'

const use = useRequestFixture()

async function idsFor(
  fixture: RequestFixture,
  name: string,
  filter: Partial<RequestFilter> = {},
): Promise<string[]> {
  const page = await listRequests(fixture.person(name), { limit: 50, ...filter })
  return page.items.map(({ id }) => id)
}

describe('who sees a request', () => {
  it.each([
    ['its subject', 'alice', true],
    ['another account of the subject', 'alice.admin', true],
    ['a reviewer', 'carol', true],
    ['the owner of the resource', 'erin', true],
    ['an admin', 'frank', true],
    ['a reviewer of other policies alone', 'sam', false],
    ['a colleague', 'dana', false],
    ['a stranger', 'mallory', false],
  ])('%s: in the list and by id alike', async (_, name, isSeen) => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    expect((await idsFor(fixture, name, { state: 'pending' })).includes(id)).toBe(isSeen)
    const one = getRequest(fixture.person(name), { requestId: id })
    if (isSeen) expect(await one).toMatchObject({ id })
    else await expect(one).rejects.toMatchObject({ code: 'not_found' })
  })

  it('a person who reviewed it keeps seeing it, though no seat is left to them', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.approve('carol', id)
    await fixture.changeCompany([
      'payments-leads: [bob@example.com, carol@example.com, alice.admin@example.com]',
      'payments-leads: [bob@example.com]',
    ])
    expect(await idsFor(fixture, 'carol', { state: 'pending' })).toEqual([id])
    expect(await getRequest(fixture.person('carol'), { requestId: id })).toMatchObject({ id })
  })

  it('whom a change of the catalog gave a seat, sees it from then on', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    expect(await idsFor(fixture, 'sam', { state: 'pending' })).toEqual([])
    await fixture.changeCompany([
      `auto_approve: '"oncall" in subject.groups && request.duration <= duration("30m")'
    approval: [{ from: [payments-leads], count: 1 }]`,
      'approval: [{ from: [security], count: 1 }]',
    ])
    expect(await idsFor(fixture, 'sam', { state: 'pending' })).toEqual([id])
  })

  it('a reviewer of another policy for the same role does not', async () => {
    const fixture = use()
    await fixture.changeCompany([
      'policies:\n',
      `policies:
  - name: operate-oncall
    roles: [operator]
    requesters: [oncall]
    max_duration: 1h
    approval: [{ from: [security], count: 1 }]
`,
    ])
    const ofOncall = await fixture.ask('dana')
    const other = await fixture.ask('alice')
    expect(ofOncall.policy).toBe('operate-oncall')
    expect(other.policy).toBe('operate')
    expect(await idsFor(fixture, 'sam', { state: 'pending' })).toEqual([ofOncall.id])
    await expect(getRequest(fixture.person('sam'), { requestId: other.id })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it('a workload its own, and no other', async () => {
    const fixture = use()
    await fixture.ask('alice')
    const bot = fixture.test.asWorkload('invoice-bot')
    const { request } = await submitRequest(bot, operatorAsk)
    const page = await listRequests(bot, { limit: 50 })
    expect(page.items.map(({ id }) => id)).toEqual([request.id])
  })

  it('a job sees none', async () => {
    await expect(listRequests(use().test.asJob('expire'), { limit: 50 })).rejects.toMatchObject({
      code: 'not_permitted',
    })
  })
})

describe('what is to review', () => {
  it('is what the caller can still approve, and leaves the list when a seat is taken', async () => {
    const fixture = use()
    const toReview = (name: string) => idsFor(fixture, name, { isToReview: true })
    const { id } = await fixture.ask('alice', { role: 'payer' })
    fixture.test.clock.advance(1)
    const other = await fixture.ask('dana')
    expect(await toReview('carol')).toEqual([other.id, id])
    expect(await toReview('sam')).toEqual([id])
    expect(await toReview('alice')).toEqual([])
    expect(await toReview('alice.admin')).toEqual([other.id])
    expect(await toReview('frank')).toEqual([])
    await fixture.approve('bob', id)
    expect(await toReview('carol')).toEqual([other.id])
    expect(await toReview('bob')).toEqual([other.id])
    expect(await toReview('bob.admin')).toEqual([])
    expect(await toReview('sam')).toEqual([id])
  })

  it('leaves out what is overdue though no job ran, and what is closed', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    const closed = await fixture.ask('dana')
    await cancelRequest(fixture.person('dana'), { requestId: closed.id })
    expect(await idsFor(fixture, 'bob', { isToReview: true })).toEqual([id])
    fixture.test.clock.advance(7200)
    expect(await idsFor(fixture, 'bob', { isToReview: true })).toEqual([])
  })

  it('leaves out what the owner of a workload may not review', async () => {
    const fixture = use()
    const { request } = await submitRequest(fixture.test.asWorkload('invoice-bot'), operatorAsk)
    expect(await idsFor(fixture, 'carol', { isToReview: true })).toEqual([])
    expect(await idsFor(fixture, 'bob', { isToReview: true })).toEqual([request.id])
  })

  it('is shown to whoever holds the claim, while it is fresh', async () => {
    const fixture = use()
    await fixture.signedIn('sam', ['okta-auditors'], 23)
    const { id } = await fixture.ask('alice', { role: 'audited' })
    expect(await idsFor(fixture, 'sam', { isToReview: true })).toEqual([id])
    fixture.test.clock.advance(3601)
    expect(await idsFor(fixture, 'sam', { isToReview: true })).toEqual([])
  })
})

describe('filters', () => {
  it('go by the state that time has made', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    expect(await idsFor(fixture, 'alice', { state: 'pending' })).toEqual([id])
    fixture.test.clock.advance(7200)
    expect(await idsFor(fixture, 'alice', { state: 'pending' })).toEqual([])
    expect((await idsFor(fixture, 'alice', { state: 'expired' }))[0]).toBe(id)
  })

  it('narrow what one may see, and never widen it', async () => {
    const fixture = use()
    await fixture.ask('alice')
    const own = await fixture.ask('dana')
    expect(await idsFor(fixture, 'dana', { subject: 'alice@example.com' })).toEqual([])
    expect(
      await idsFor(fixture, 'frank', { subject: 'dana@example.com', state: 'pending' }),
    ).toEqual([own.id])
  })

  it('find a person however the address is written', async () => {
    const fixture = use()
    const { id } = await fixture.ask('dana')
    const shown = await idsFor(fixture, 'frank', { subject: 'Dana@Example.com' })
    expect(shown[0]).toBe(id)
  })
})

describe('pages', () => {
  const made: string[] = []
  beforeAll(async () => {
    for (let count = 0; count < 25; count += 1) {
      const { id } = await use().ask(count % 2 === 0 ? 'alice' : 'dana', { role: 'reader' })
      made.unshift(id)
      use().test.clock.advance(1)
    }
  })

  async function allPages(name: string, filter: Partial<RequestFilter>): Promise<string[][]> {
    const pages: string[][] = []
    let cursor: string | undefined
    do {
      const page = await listRequests(use().person(name), { limit: 10, ...filter, cursor })
      pages.push(page.items.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined && pages.length < 50)
    return pages
  }

  it('give everything once, newest first, null at the end', async () => {
    const pages = await allPages('frank', { state: 'approved', limit: 7 })
    expect(pages.flat().filter((id) => made.includes(id))).toEqual(made)
    expect(new Set(pages.flat()).size).toBe(pages.flat().length)
    expect(pages.slice(0, -1).every((page) => page.length === 7)).toBe(true)
  })

  it('are full though most rows in between are not the caller’s to see', async () => {
    const pages = await allPages('dana', { state: 'approved', limit: 4 })
    const own = made.filter((_, index) => index % 2 === 1)
    expect(pages.flat().filter((id) => made.includes(id))).toEqual(own)
    expect(pages.slice(0, -1).every((page) => page.length === 4)).toBe(true)
  })

  it('are not moved by what is new', async () => {
    const fixture = use()
    const filter = { state: 'approved', limit: 5 } as const
    const first = await listRequests(fixture.person('frank'), filter)
    await fixture.ask('alice', { role: 'reader' })
    const cursor = first.nextCursor ?? ''
    const second = await listRequests(fixture.person('frank'), { ...filter, cursor })
    const seen = first.items.map(({ id }) => id)
    expect(second.items.map(({ id }) => id).filter((id) => seen.includes(id))).toEqual([])
  })

  it('refuse a cursor of another list, filter or caller, and one made up', async () => {
    const fixture = use()
    const filter = { state: 'approved', limit: 5 } as const
    const { nextCursor } = await listRequests(fixture.person('frank'), filter)
    const cursor = nextCursor ?? ''
    const id = made[0] ?? ''
    for (const [name, other] of [
      ['frank', { limit: 5, cursor }],
      ['frank', { ...filter, subject: 'alice@example.com', cursor }],
      ['frank', { ...filter, isToReview: true, cursor }],
      ['alice', { ...filter, cursor }],
      ['frank', { ...filter, cursor: cursorOf('grants', id) }],
      ['frank', { ...filter, cursor: cursorOf('requests', id) }],
      ['frank', { ...filter, cursor: id }],
      ['frank', { ...filter, cursor: '' }],
      ['frank', { ...filter, cursor: `${cursor}x` }],
    ] as [string, RequestFilter][]) {
      await expect(listRequests(fixture.person(name), other)).rejects.toMatchObject({
        code: 'invalid_cursor',
      })
    }
    // the limit may change from page to page
    expect(
      (await listRequests(fixture.person('frank'), { ...filter, limit: 3, cursor })).items,
    ).toHaveLength(3)
  })
})

describe('cancelling', () => {
  it('ends a pending request of one’s own', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    const cancelled = await cancelRequest(fixture.person('alice'), { requestId: id })
    expect(cancelled).toMatchObject({ state: 'cancelled', version: 2, eligibleReviewers: [] })
    expect(await fixture.eventTypesOf(id)).toEqual(['request.submitted', 'request.cancelled'])
    expect(await fixture.lastAudit(1)).toMatchObject([
      { action: 'cancel-request', outcome: 'ok', request_id: id },
    ])
    await expect(cancelRequest(fixture.person('alice'), { requestId: id })).rejects.toMatchObject({
      code: 'request_closed',
    })
  })

  it.each([
    ['bob', 'not_permitted'],
    ['frank', 'not_permitted'],
    ['alice.admin', 'not_permitted'],
    ['dana', 'not_found'],
  ])('by %s is refused as %s, and audited', async (name, code) => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await expect(cancelRequest(fixture.person(name), { requestId: id })).rejects.toMatchObject({
      code,
    })
    expect(await fixture.lastAudit(1)).toMatchObject([{ outcome: 'refused', code, request_id: id }])
    expect(await fixture.stored(id)).toMatchObject({ state: 'pending' })
  })

  it('after the time to answer is over is refused', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    fixture.test.clock.advance(7200)
    await expect(cancelRequest(fixture.person('alice'), { requestId: id })).rejects.toMatchObject({
      code: 'request_closed',
    })
  })
})

describe('comments', () => {
  it('stand beside the reviews, in order, also once it is closed', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await commentRequest(fixture.person('bob', 'slack'), { requestId: id, text: ' which\r\none? ' })
    fixture.test.clock.advance(1)
    await fixture.deny('bob', id)
    const request = await commentRequest(fixture.person('alice'), { requestId: id, text: 'INC-42' })
    expect(request.comments).toMatchObject([
      { author: 'bob@example.com', text: 'which\none?', via: 'slack' },
      { author: 'alice@example.com', text: 'INC-42', via: 'api' },
    ])
    expect(request).toEqual(await getRequest(fixture.person('alice'), { requestId: id }))
    const entries = JSON.stringify(await fixture.lastAudit(2))
    expect(entries).toContain('comment-request')
    expect(entries).not.toContain('which')
  })

  it.each([
    ['nothing', ' \n '],
    ['1001 characters', 'x'.repeat(1001)],
    ['an escape', '\u001b[31mred'],
  ])('refuses %s', async (_, text) => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await expect(
      commentRequest(fixture.person('alice'), { requestId: id, text }),
    ).rejects.toMatchObject({ code: 'invalid_input', options: { errors: [{ pointer: '/text' }] } })
  })

  it('refuses whoever may not see the request', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await expect(
      commentRequest(fixture.person('dana'), { requestId: id, text: 'hello' }),
    ).rejects.toMatchObject({ code: 'not_found' })
  })
})
