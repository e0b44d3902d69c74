import { sql } from 'drizzle-orm'
import { checkedReason } from '../access/index.ts'
import { appendEntry } from '../audit/index.ts'
import { catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { keptPermissionTable } from '../database/schema/usage.ts'
import { HallpassError } from '../errors.ts'
import { actorFacts, ensureSubject } from '../identity/index.ts'
import { operate } from '../operation.ts'

const longestKeptMilliseconds = 365 * 24 * 60 * 60 * 1000

/** Which role, why, and how long the weekly report is to leave it out. */
export interface KeepPermissionInput {
  readonly role: string
  /** 1 to 500 characters */
  readonly reason: string
  /** At most 365 days ahead. */
  readonly until: Date
}

/**
 * Leaves a role of the actor's own out of what the weekly report tells them, used or not, until a date. It keeps
 * no grant alive and shows in no other report. Said again it replaces what was said before. Throws `invalid_input`
 * for a role that the catalog does not have, an empty reason, or a date that is past or too far.
 */
export async function keepPermission(
  ctx: OperationContext,
  input: KeepPermissionInput,
): Promise<void> {
  return operate(ctx, 'keep-permission', async (tx) => {
    const { id: subject } = await actorFacts(tx.db, ctx)
    const reason = checkedReason(input.reason)
    const resource = await resourceOf(tx.db, input.role)
    const keptAt = ctx.clock.now()
    checkUntil(input.until, keptAt)
    await ensureSubject(tx, ctx, subject)
    const { until, role } = input
    await tx.db
      .insert(keptPermissionTable)
      .values({ subject, role, reason, until, keptAt })
      .onConflictDoUpdate({
        target: [keptPermissionTable.subject, keptPermissionTable.role],
        set: {
          reason: sql`excluded.reason`,
          until: sql`excluded.until`,
          keptAt: sql`excluded.kept_at`,
        },
      })
    await appendEntry(tx, ctx, {
      action: 'keep-permission',
      outcome: 'ok',
      subject,
      resource,
      details: { role, reason, until: until.toISOString() },
    })
  })
}

async function resourceOf(
  db: Parameters<typeof catalogInForce>[0],
  roleName: string,
): Promise<string> {
  const role = (await catalogInForce(db)).roles.get(roleName)
  if (role !== undefined) return role.resource
  throw invalid('/role', 'is not a role of the catalog')
}

function checkUntil(until: Date, now: Date): void {
  const ahead = until.getTime() - now.getTime()
  // also refuses what is no date at all
  if (!(ahead > 0)) throw invalid('/until', 'must be in the future')
  if (ahead > longestKeptMilliseconds) throw invalid('/until', 'must be at most 365 days ahead')
}

function invalid(pointer: string, message: string): HallpassError {
  return new HallpassError('invalid_input', `${pointer.slice(1)} ${message}.`, {
    errors: [{ pointer, message }],
  })
}
