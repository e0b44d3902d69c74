import { expect, it } from 'vitest'
import { claimJobRun } from '../../src/database/index.ts'
import { forgetJobRuns } from '../../src/jobs/index.ts'
import { useTestServices } from '../support/context.ts'

const test = await useTestServices()
const daysAgo = (days: number) => new Date(test.clock.now().getTime() - days * 86_400_000)

async function ran(job: string, scheduledAt: Date): Promise<void> {
  await claimJobRun(test.services.database, { job, scheduledAt, replica: 'here', leaseSeconds: 1 })
}

it('forgets runs of more than 30 days ago, but never the latest of a job', async () => {
  for (const days of [400, 40, 31, 29, 1]) await ran('often', daysAgo(days))
  for (const days of [400, 45]) await ran('rare', daysAgo(days))
  expect(await forgetJobRuns(test.asJob('forget-job-runs'))).toEqual({ forgottenCount: 4 })
  const { rows } = await test.services.database.read((db) =>
    db.execute('select job, scheduled_at from job_run order by job, scheduled_at'),
  )
  expect(rows.map((row) => [row.job, new Date(String(row.scheduled_at))])).toEqual([
    ['often', daysAgo(29)],
    ['often', daysAgo(1)],
    ['rare', daysAgo(45)],
  ])
})

it('refuses a person, even an admin', async () => {
  await expect(forgetJobRuns(test.asPerson('sam@example.com'))).rejects.toMatchObject({
    code: 'not_permitted',
  })
})
