import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BrokerSystem } from './broker-system.ts'
import { isShrinking, modelEffort, modelSeed } from './seed.ts'
import { stories, tell } from './stories.ts'

const start = new Date('2026-03-02T09:00:00.000Z')

it(
  'a broker does what the contract says over HTTP and Postgres, in any story',
  async () => {
    const answers = new Set<string>()
    await fc.assert(
      fc.asyncProperty(stories({ maxSteps: 30, withRestarts: true }), async (story) => {
        const system = await BrokerSystem.start(start)
        try {
          await tell(story, system, start, answers)
          expect(await system.isLogIntact()).toBe(true)
        } finally {
          await system.stop()
        }
      }),
      { ...modelSeed(), numRuns: 15 * modelEffort(), endOnFailure: !isShrinking() },
    )
    // two thousand stories meet about a hundred, see the other test
    expect(answers.size).toBeGreaterThan(40)
  },
  300_000 * modelEffort(),
)
