import {
  announceEndingGrants,
  expireGrants,
  expireRequests,
  forgetRevocations,
  startGrants,
} from '../access/index.ts'
import { sealEntries } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { forgetIdempotencyKeys } from '../database/index.ts'
import { forgetEndedIdentityRows } from '../identity/index.ts'
import { forgetEvents } from '../notify/index.ts'
import { forgetTokens, retireKeys, rotateKeys } from '../tokens/index.ts'
import { reportUnused } from '../usage/index.ts'
import { forgetJobRuns } from './forget-job-runs.ts'
import type { Job } from './job.ts'

interface JobSettings {
  /** The append-only file that checkpoints of the audit log are also written to. */
  readonly checkpointFile: string
}

/** Everything that happens by itself, and when (UTC). */
export function jobTable({ checkpointFile }: JobSettings): readonly Job[] {
  return [
    { name: 'expire-grants', everyMilliseconds: 1_000, run: (ctx) => expireGrants(ctx) },
    { name: 'start-grants', everyMilliseconds: 1_000, run: (ctx) => startGrants(ctx) },
    { name: 'expire-requests', everyMilliseconds: 1_000, run: (ctx) => expireRequests(ctx) },
    { name: 'announce-ending', everyMilliseconds: 5_000, run: (ctx) => announceEndingGrants(ctx) },
    {
      name: 'seal-entries',
      everyMilliseconds: 500,
      run: async (ctx) => ({ ...(await sealEntries(ctx, { checkpointFile })) }),
    },
    {
      name: 'retire-keys',
      cron: '* * * * *',
      run: async (ctx) => ({ retired: await retireKeys(ctx) }),
    },
    { name: 'rotate-keys', cron: '17 3 * * *', run: rotate },
    {
      name: 'forget-revocations',
      cron: '*/5 * * * *',
      run: (ctx) => forgetRevocations(ctx),
    },
    {
      name: 'forget-tokens',
      cron: '*/10 * * * *',
      run: async (ctx) => ({ count: await forgetTokens(ctx) }),
    },
    { name: 'forget-sign-ins', cron: '*/10 * * * *', run: forgetSignIns },
    { name: 'forget-idempotency-keys', cron: '*/10 * * * *', run: forgetKeys },
    { name: 'forget-events', cron: '23 4 * * *', run: (ctx) => forgetEvents(ctx) },
    {
      name: 'report-unused',
      cron: '0 6 * * 1',
      run: async (ctx) => ({ ...(await reportUnused(ctx)) }),
    },
    { name: 'forget-job-runs', cron: '41 4 * * *', run: (ctx) => forgetJobRuns(ctx) },
  ]
}

async function rotate(ctx: OperationContext) {
  const rotation = await rotateKeys(ctx, { onlyWhenDue: true })
  return { active_kid: rotation?.activeKid ?? null }
}

async function forgetSignIns(ctx: OperationContext) {
  return { count: await ctx.database.transaction((tx) => forgetEndedIdentityRows(tx, ctx)) }
}

async function forgetKeys(ctx: OperationContext) {
  return {
    count: await ctx.database.transaction((tx) => forgetIdempotencyKeys(tx, ctx.clock.now())),
  }
}
