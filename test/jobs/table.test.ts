import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ensureAuditKey } from '../../src/audit/index.ts'
import { latestJobRuns } from '../../src/database/index.ts'
import { createScheduler, jobTable } from '../../src/jobs/index.ts'
import { readCron } from '../../src/jobs/schedule.ts'
import { ensureSigningKeys } from '../../src/tokens/index.ts'
import { useTestServices } from '../support/context.ts'
import { until } from '../support/until.ts'

const test = await useTestServices()
const folder = mkdtempSync(join(tmpdir(), 'hallpass-jobs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const checkpointFile = join(folder, 'audit-checkpoints')
const table = jobTable({ checkpointFile })
const scheduled = table.filter((job) => 'cron' in job)

describe('the table of jobs', () => {
  it('names every job once, with a schedule that can be read', () => {
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length)
    for (const job of table) {
      if ('cron' in job) expect(() => readCron(job.cron)).not.toThrow()
      else expect(job.everyMilliseconds).toBeGreaterThanOrEqual(100)
    }
  })

  it('holds no operation that anybody but a job or operator may call, where it changes grants or keys', async () => {
    const person = test.asPerson('sam@example.com')
    const guarded = ['expire-grants', 'start-grants', 'expire-requests', 'rotate-keys']
    for (const { name, run } of table.filter((job) => guarded.includes(job.name))) {
      await expect(run(person), name).rejects.toMatchObject({ code: 'not_permitted' })
    }
  })

  it('runs whole on four replicas at once over a young database, and nothing fails', async () => {
    await ensureSigningKeys(test.asJob('start'))
    await ensureAuditKey(test.services)
    const schedulers = [1, 2, 3, 4].map((number) =>
      createScheduler({
        services: test.services,
        jobs: table,
        replica: `replica-${number}`,
        sweepMilliseconds: 100,
      }),
    )
    await Promise.all(schedulers.map((scheduler) => scheduler.start()))
    await until('every job was done', () =>
      schedulers.every((scheduler) =>
        scheduler.status().every(({ secondsSinceDone }) => secondsSinceDone !== null),
      ),
    )
    const failures = schedulers.flatMap((scheduler) =>
      scheduler.status().filter(({ failureCount }) => failureCount > 0),
    )
    await Promise.all(schedulers.map((scheduler) => scheduler.stop()))
    expect(failures).toEqual([])
    const runs = await test.services.database.read(latestJobRuns)
    expect(runs.map(({ job }) => job).sort()).toEqual(scheduled.map(({ name }) => name).sort())
    expect(
      runs.filter(({ outcome, attemptCount }) => outcome !== 'ok' || attemptCount !== 1),
    ).toEqual([])
    expect(readFileSync(checkpointFile, 'utf8')).toContain('\n\n— ')
  })
})
