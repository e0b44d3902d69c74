import { describe, expect, it } from 'vitest'
import { cancelRequest, expireRequests, revokeSubject } from '../../src/access/index.ts'
import { useRequestFixture } from './request-fixture.ts'

const use = useRequestFixture()

/** Runs all at once and tells how each went: `ok` or its code. */
async function race(...acts: (() => Promise<unknown>)[]): Promise<string[]> {
  const results = await Promise.allSettled(acts.map((act) => act()))
  return results.map((result) =>
    result.status === 'fulfilled' ? 'ok' : (result.reason.code ?? String(result.reason)),
  )
}

describe('simultaneous reviews', () => {
  it('200 times two approvals of one seat give exactly one grant each', async () => {
    const fixture = use()
    for (let round = 0; round < 200; round += 1) {
      const { id } = await fixture.ask('dana')
      const outcomes = await race(
        () => fixture.approve('bob', id),
        () => fixture.approve('carol', id),
      )
      expect(outcomes.toSorted()).toEqual(['ok', 'request_closed'])
      expect(await fixture.grantsOf(id)).toHaveLength(1)
      expect(await fixture.reviewsOf(id)).toHaveLength(1)
    }
  }, 120_000)

  it('of one person, however often it is clicked and under whatever account, count once', async () => {
    const fixture = use()
    for (let round = 0; round < 20; round += 1) {
      const { id } = await fixture.ask('alice', { role: 'payer' })
      const outcomes = await race(
        ...['bob', 'bob.admin', 'bob', 'bob.admin', 'bob'].map(
          (name) => () => fixture.approve(name, id),
        ),
      )
      expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome === 'already_reviewed')).toHaveLength(4)
      expect(await fixture.reviewsOf(id)).toHaveLength(1)
      expect(await fixture.grantsOf(id)).toEqual([])
      await fixture.settle()
    }
  })

  it('of everyone fill exactly the seats there are', async () => {
    const fixture = use()
    for (let round = 0; round < 30; round += 1) {
      const { id } = await fixture.ask('alice', { role: 'payer' })
      const outcomes = await race(
        ...['bob', 'carol', 'sam', 'alice', 'alice.admin', 'bob.admin', 'erin'].map(
          (name) => () => fixture.approve(name, id),
        ),
      )
      expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(2)
      expect(await fixture.reviewsOf(id)).toHaveLength(2)
      expect(await fixture.grantsOf(id)).toHaveLength(1)
      expect(await fixture.stored(id)).toMatchObject({ state: 'approved' })
    }
  })

  it('an approval and a denial end in one of the two, never both', async () => {
    const fixture = use()
    for (let round = 0; round < 30; round += 1) {
      const { id } = await fixture.ask('dana')
      const outcomes = await race(
        () => fixture.approve('bob', id),
        () => fixture.deny('carol', id),
      )
      expect(outcomes.toSorted()).toEqual(['ok', 'request_closed'])
      const { state, grantId } = await fixture.stored(id)
      const grants = await fixture.grantsOf(id)
      expect(grants).toHaveLength(state === 'approved' ? 1 : 0)
      expect(grantId).toBe(grants[0]?.id ?? null)
    }
  })

  it('an approval and cancelling end in one of the two, never both', async () => {
    const fixture = use()
    for (let round = 0; round < 30; round += 1) {
      const { id } = await fixture.ask('dana')
      const outcomes = await race(
        () => fixture.approve('bob', id),
        () => cancelRequest(fixture.person('dana'), { requestId: id }),
      )
      expect(outcomes.toSorted()).toEqual(['ok', 'request_closed'])
      const { state } = await fixture.stored(id)
      expect(await fixture.grantsOf(id)).toHaveLength(state === 'approved' ? 1 : 0)
    }
  })

  it('an approval and the sweep at answer_by never open a grant', async () => {
    const fixture = use()
    for (let round = 0; round < 20; round += 1) {
      const { id } = await fixture.ask('dana')
      fixture.test.clock.advance(7200)
      const outcomes = await race(
        () => fixture.approve('bob', id),
        () => expireRequests(fixture.test.asJob('expire-requests')),
      )
      expect(outcomes).toEqual(['request_closed', 'ok'])
      expect(await fixture.grantsOf(id)).toEqual([])
    }
  })

  it('an approval and revoking the subject leave nothing that lives', async () => {
    const fixture = use()
    for (let round = 0; round < 30; round += 1) {
      const { id } = await fixture.ask('dana')
      await race(
        () => fixture.approve('bob', id),
        () =>
          revokeSubject(fixture.person('frank'), { subject: 'dana@example.com', reason: 'left' }),
      )
      const grants = await fixture.grantsOf(id)
      expect(grants.filter(({ state }) => state !== 'revoked')).toEqual([])
      expect(['cancelled', 'approved']).toContain((await fixture.stored(id)).state)
      await fixture.settle()
    }
  })
})
