import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { changeGrant } from '../../src/access/change-grant.ts'
import { effectiveState, type Grant, isActive, moveGrant } from '../../src/access/grant.ts'
import {
  expireGrants,
  getGrant,
  lockGrant,
  releaseGrant,
  requireMove,
  resumeGrant,
  revokeGrant,
  startGrants,
  suspendGrant,
} from '../../src/access/index.ts'
import { HallpassError } from '../../src/errors.ts'
import { type GrantFixture, useGrantFixture } from './grant-fixture.ts'

const use = useGrantFixture()
const reason = 'a step of the model'

type Model = Pick<Grant, 'state' | 'startsAt' | 'endsAt'>

/** What somebody or time does to the grant; the real one is told, the pure machine computed. */
const acts = [
  'mint',
  'extend',
  'suspend',
  'resume',
  'revoke',
  'release',
  'start',
  'expire',
] as const
type Act = (typeof acts)[number]

const extension = 30

const perform: Record<Act, (fixture: GrantFixture, grant: Grant) => Promise<unknown>> = {
  mint: (fixture, grant) => fixture.mint(grant, 1),
  suspend: ({ test }, { id }) =>
    suspendGrant(test.asPerson('bob@example.com'), { grantId: id, reason }),
  resume: ({ test }, { id }) =>
    resumeGrant(test.asPerson('sam@example.com'), { grantId: id, reason }),
  revoke: ({ test }, { id }) =>
    revokeGrant(test.asPerson('erin@example.com'), { grantId: id, reason }),
  release: ({ test }, { id }) => releaseGrant(test.asPerson('alice@example.com'), { grantId: id }),
  start: ({ test }) => startGrants(test.asJob('start-grants')),
  expire: ({ test }) => expireGrants(test.asJob('expire-grants')),
  extend: ({ test }, { id }) =>
    test.services.database.transaction(async (tx) => {
      const locked = await lockGrant(tx, id)
      requireMove(locked, 'extend', test.clock.now())
      const endsAt = new Date(locked.endsAt.getTime() + extension * 1000)
      await changeGrant(tx, locked, { endsAt })
    }),
}

/** Applies an act to the model; the code says how the real one must answer. */
function apply(model: Model, act: Act, now: Date): { model: Model; code: string } {
  const move = moveGrant(model, act, now)
  if (!move.isAllowed) {
    // a job that finds nothing due does nothing, and says so to nobody
    return { model, code: act === 'start' || act === 'expire' ? 'ok' : move.refusal }
  }
  const endsAt =
    act === 'extend' ? new Date(model.endsAt.getTime() + extension * 1000) : model.endsAt
  // suspending stores the start that was due, which extending does not
  const keeps = act === 'mint' || act === 'extend'
  return { model: { ...model, endsAt, state: keeps ? model.state : move.state }, code: 'ok' }
}

const steps = fc.array(
  fc.record({
    act: fc.constantFrom(...acts),
    passedSeconds: fc.constantFrom(0, 0.001, 1, 5, 29.999, 60),
  }),
  { minLength: 1, maxLength: 14 },
)

describe('the grant in Postgres and the pure machine', () => {
  it('agree after every step of any story, whatever jobs run when', async () => {
    const fixture = use()
    const { clock } = fixture.test
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 0, max: 3 }), async (story, startsIn) => {
        const state = startsIn > 0 ? 'scheduled' : 'active'
        const grant = await fixture.insertGrant({ state, startsIn, endsIn: startsIn + 40 })
        let model: Model = { state, startsAt: grant.startsAt, endsAt: grant.endsAt }
        for (const { act, passedSeconds } of story) {
          clock.advance(passedSeconds)
          const now = clock.now()
          const expected = apply(model, act, now)
          const code = await perform[act](fixture, grant).then(
            () => 'ok',
            (error) => (error instanceof HallpassError ? error.code : Promise.reject(error)),
          )
          expect([act, code]).toEqual([act, expected.code])
          model = expected.model
          const stored = await fixture.stored(grant.id)
          expect(stored).toMatchObject(model)
          const view = await getGrant(fixture.test.asOperator(), { grantId: grant.id })
          expect(view.state).toBe(effectiveState(model, now))
          expect(isActive(stored, now)).toBe(view.state === 'active')
        }
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})
