import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  effectiveState,
  endGrant,
  type GrantEvent,
  type GrantState,
  isActive,
  isFinal,
  liveStates,
  moveGrant,
} from '../../src/access/grant.ts'

const startsAt = new Date('2026-03-02T09:00:00Z')
const endsAt = new Date('2026-03-02T10:00:00Z')
const before = new Date(startsAt.getTime() - 1)
const during = new Date('2026-03-02T09:30:00Z')
const after = new Date(endsAt.getTime() + 1)

const states: GrantState[] = ['scheduled', 'active', 'suspended', 'revoked', 'released', 'expired']
const events: GrantEvent[] = [
  'start',
  'mint',
  'extend',
  'suspend',
  'resume',
  'revoke',
  'release',
  'expire',
]

type Expected = Record<GrantEvent, string>
const over: Expected = {
  start: 'grant_ended',
  mint: 'grant_ended',
  extend: 'grant_ended',
  suspend: 'grant_ended',
  resume: 'grant_ended',
  revoke: 'grant_ended',
  release: 'grant_ended',
  expire: 'grant_ended',
}

/** What CONTRACTS §3 says, written out a second time and by hand, at three instants. */
const machine: Record<'before' | 'during' | 'after', Record<GrantState, Expected>> = {
  before: {
    scheduled: {
      start: 'not_due',
      mint: 'grant_not_active',
      extend: 'scheduled',
      suspend: 'grant_not_active',
      resume: 'grant_not_active',
      revoke: 'revoked',
      release: 'released',
      expire: 'not_due',
    },
    active: {
      start: 'grant_not_active',
      mint: 'active',
      extend: 'active',
      suspend: 'suspended',
      resume: 'grant_not_active',
      revoke: 'revoked',
      release: 'released',
      expire: 'not_due',
    },
    suspended: {
      start: 'grant_not_active',
      mint: 'grant_not_active',
      extend: 'suspended',
      suspend: 'grant_not_active',
      resume: 'active',
      revoke: 'revoked',
      release: 'released',
      expire: 'not_due',
    },
    revoked: over,
    released: over,
    expired: over,
  },
  during: {
    // it has started, though no job stored that
    scheduled: {
      start: 'active',
      mint: 'active',
      extend: 'active',
      suspend: 'suspended',
      resume: 'grant_not_active',
      revoke: 'revoked',
      release: 'released',
      expire: 'not_due',
    },
    active: {
      start: 'grant_not_active',
      mint: 'active',
      extend: 'active',
      suspend: 'suspended',
      resume: 'grant_not_active',
      revoke: 'revoked',
      release: 'released',
      expire: 'not_due',
    },
    suspended: {
      start: 'grant_not_active',
      mint: 'grant_not_active',
      extend: 'suspended',
      suspend: 'grant_not_active',
      resume: 'active',
      revoke: 'revoked',
      release: 'released',
      expire: 'not_due',
    },
    revoked: over,
    released: over,
    expired: over,
  },
  after: {
    // it has ended, though no job stored that: only that can still be done
    scheduled: { ...over, start: 'not_due', expire: 'expired' },
    active: { ...over, start: 'grant_not_active', expire: 'expired' },
    suspended: { ...over, start: 'grant_not_active', expire: 'expired' },
    revoked: over,
    released: over,
    expired: over,
  },
}

const instants = { before, during, after }
const everyCase = (['before', 'during', 'after'] as const).flatMap((when) =>
  states.flatMap((state) => events.map((event) => [when, state, event] as const)),
)

describe('the grant machine, every state and event', () => {
  it.each(everyCase)('%s its time, %s × %s', (when, state, event) => {
    const move = moveGrant({ state, startsAt, endsAt }, event, instants[when])
    expect(move.isAllowed ? move.state : move.refusal).toBe(machine[when][state][event])
  })

  it('starts and ends at the very millisecond, not one before', () => {
    const scheduled = { state: 'scheduled', startsAt, endsAt } as const
    expect(effectiveState(scheduled, before)).toBe('scheduled')
    expect(effectiveState(scheduled, startsAt)).toBe('active')
    expect(effectiveState(scheduled, new Date(endsAt.getTime() - 1))).toBe('active')
    expect(effectiveState(scheduled, endsAt)).toBe('expired')
  })

  it('is active only between its times, and not while suspended', () => {
    expect(isActive({ state: 'active', startsAt, endsAt }, during)).toBe(true)
    expect(isActive({ state: 'scheduled', startsAt, endsAt }, during)).toBe(true)
    expect(isActive({ state: 'scheduled', startsAt, endsAt }, before)).toBe(false)
    expect(isActive({ state: 'suspended', startsAt, endsAt }, during)).toBe(false)
    expect(isActive({ state: 'active', startsAt, endsAt }, endsAt)).toBe(false)
  })

  it('knows which states are final', () => {
    expect(states.filter(isFinal)).toEqual(['revoked', 'released', 'expired'])
    expect([...liveStates, ...states.filter(isFinal)]).toEqual(states)
  })
})

describe('ending', () => {
  const active = { state: 'active', startsAt, endsAt } as const

  it('by somebody happens now, with who and why', () => {
    const ending = { event: 'revoke', by: 'bob@example.com', reason: 'left the team' } as const
    expect(endGrant(active, ending, during)).toEqual({
      state: 'revoked',
      endedAt: during,
      endedBy: 'bob@example.com',
      endReason: 'left the team',
    })
  })

  it('by its holder needs no reason', () => {
    const ending = { event: 'release', by: 'alice@example.com', reason: null } as const
    expect(endGrant(active, ending, during)).toMatchObject({ state: 'released', endReason: null })
  })

  it('by time happened at its end, however late that is stored, and nobody did it', () => {
    const ending = { event: 'expire', by: 'expire-grants', reason: null } as const
    const late = new Date(endsAt.getTime() + 3_600_000)
    expect(endGrant(active, ending, late)).toEqual({
      state: 'expired',
      endedAt: endsAt,
      endedBy: null,
      endReason: null,
    })
  })

  it('by time is refused one millisecond early', () => {
    const ending = { event: 'expire', by: 'expire-grants', reason: null } as const
    expect(endGrant(active, ending, new Date(endsAt.getTime() - 1))).toBe('not_due')
  })

  it('is refused after its end though no job ran', () => {
    for (const event of ['revoke', 'release'] as const) {
      expect(endGrant(active, { event, by: 'bob@example.com', reason: 'x' }, after)).toBe(
        'grant_ended',
      )
    }
  })
})

describe('whatever happens in whatever order', () => {
  const steps = fc.array(
    fc.record({
      event: fc.constantFrom(...events),
      passedMilliseconds: fc.integer({ min: 0, max: 1_500_000 }),
    }),
    { maxLength: 40 },
  )

  it('an ended grant stays as it ended, and none is active outside its times', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        let state: GrantState = 'scheduled'
        let now = before.getTime()
        let endedAs: GrantState | undefined
        for (const { event, passedMilliseconds } of sequence) {
          now += passedMilliseconds
          const move = moveGrant({ state, startsAt, endsAt }, event, new Date(now))
          if (move.isAllowed) state = move.state
          if (endedAs !== undefined) expect(state).toBe(endedAs)
          if (isFinal(state)) endedAs = state
          const isInTime = now >= startsAt.getTime() && now < endsAt.getTime()
          if (!isInTime) expect(isActive({ state, startsAt, endsAt }, new Date(now))).toBe(false)
        }
      }),
    )
  })
})
