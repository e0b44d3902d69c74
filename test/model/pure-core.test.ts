import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PureSystem } from './pure-system.ts'
import { modelEffort, modelSeed } from './seed.ts'
import { stories, tell } from './stories.ts'

const start = new Date('2026-03-02T09:00:00.000Z')

/** What two thousand stories must have met, or they would prove nothing about it. */
const worthMeeting: Readonly<Record<string, readonly string[]>> = {
  ask: [
    'ok',
    'already_pending',
    'break_glass_unreviewed',
    'invalid_input',
    'no_reviewer',
    'not_eligible',
    'not_permitted',
    'outside_policy',
  ],
  review: [
    'ok',
    'already_reviewed',
    'browser_required',
    'grant_ended',
    'invalid_input',
    'not_found',
    'not_reviewer',
    'request_closed',
    'seat_filled',
    'self_review',
    'stale_version',
    'wider_than_asked',
  ],
  cancel: ['ok', 'not_found', 'not_permitted', 'request_closed'],
  comment: ['ok', 'not_found'],
  extend: ['ok', 'already_pending', 'grant_ended', 'not_found', 'not_holder', 'outside_policy'],
  release: ['ok', 'grant_ended', 'not_found', 'not_holder'],
  revoke: ['ok', 'grant_ended', 'not_found', 'not_permitted'],
  suspend: ['ok', 'grant_ended', 'grant_not_active', 'not_found', 'not_permitted'],
  resume: ['ok', 'grant_ended', 'grant_not_active', 'not_found', 'not_permitted'],
  mint: [
    'ok',
    'grant_ended',
    'grant_not_active',
    'not_found',
    'not_holder',
    'recently_revoked',
    'wider_than_asked',
  ],
  'revoke-subject': ['ok', 'not_permitted'],
  'disable-subject': ['ok', 'not_permitted'],
  'enable-subject': ['ok', 'not_permitted'],
  'revoke-resource': ['ok', 'not_permitted'],
  told: [
    'request.submitted',
    'request.reviewed',
    'request.approved',
    'request.denied',
    'request.cancelled',
    'request.expired',
    'grant.opened',
    'grant.started',
    'grant.ending',
    'grant.extended',
    'grant.suspended',
    'grant.resumed',
    'grant.released',
    'grant.revoked',
    'grant.expired',
    'break_glass.reviewed',
    'subject.disabled',
    'subject.enabled',
  ],
}

it(
  'the deciding files do what the contract says, in any story',
  async () => {
    const answers = new Set<string>()
    await fc.assert(
      fc.asyncProperty(stories({ maxSteps: 40, withRestarts: false }), (story) =>
        tell(story, new PureSystem(start), start, answers),
      ),
      { ...modelSeed(), numRuns: 2_000 * modelEffort() },
    )
    const met = Object.entries(worthMeeting).map(([kind, codes]) => [
      kind,
      codes.filter((code) => answers.has(`${kind} ${code}`)),
    ])
    expect(Object.fromEntries(met)).toEqual(worthMeeting)
  },
  300_000 * modelEffort(),
)
