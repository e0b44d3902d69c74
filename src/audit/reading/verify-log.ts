import type { OperationContext } from '../../context.ts'
import { HallpassError } from '../../errors.ts'
import { operate } from '../../operation.ts'
import { appendEntry } from '../append-entry.ts'
import { NoteFault, parseVerifierKey } from '../signed-note.ts'
import { checkStoredLog, type LogReport } from './check-stored-log.ts'
import { findOutsideFile } from './outside-checkpoints.ts'
import { requireReader } from './require-reader.ts'

export interface VerifyLogInput {
  /** Files of signed checkpoints kept outside the database, one or many in each. */
  readonly checkpointFiles?: readonly string[] | undefined
  /** The verifier key to trust; by default the database's own. */
  readonly verifierKey?: string | undefined
}

/**
 * Recomputes the whole log out of the database and compares it with its tree, with every stored checkpoint and
 * with checkpoints kept outside. Needs no running broker and bounded memory. What is wrong comes back as the
 * report's `finding`, the first one; itself an entry, `verify-audit`. For operators and admins. Throws
 * `not_permitted`; `invalid_input` for a missing file or a bad key.
 *
 * A log that was rewritten whole and signed again with its own key, or whose end was cut off together with its
 * checkpoints, differs from no stored checkpoint: only one kept outside shows it.
 */
export async function verifyLog(ctx: OperationContext, input: VerifyLogInput): Promise<LogReport> {
  await operate(ctx, 'verify-audit', (tx) => requireReader(tx.db, ctx))
  if (input.verifierKey !== undefined) requireVerifierKey(input.verifierKey)
  const files = await Promise.all((input.checkpointFiles ?? []).map(findOutsideFile))
  const report = await checkStoredLog(ctx.database, files, input.verifierKey)
  if (files.length > 0 && report.isIntact && report.outsideCheckpointCount === 0) {
    throw new HallpassError('invalid_input', 'There is no checkpoint in the checkpoint file.')
  }
  await operate(ctx, 'verify-audit', (tx) =>
    appendEntry(tx, ctx, {
      action: 'verify-audit',
      outcome: 'ok',
      details: {
        is_intact: report.isIntact,
        size: report.size,
        finding: report.finding?.kind ?? null,
        position: report.finding?.position ?? null,
      },
    }),
  )
  return report
}

function requireVerifierKey(text: string): void {
  try {
    parseVerifierKey(text)
  } catch (error) {
    if (error instanceof NoteFault) throw new HallpassError('invalid_input', error.message)
    throw error
  }
}
