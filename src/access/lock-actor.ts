import type { SubjectFacts } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { HallpassError } from '../errors.ts'
import { actorFacts, ensureSubject, lockSubject } from '../identity/index.ts'

/**
 * Holds the row of the subject that acts, so that ending everything of it and acting happen one after another.
 * Throws `not_permitted` for an actor that is no subject, or disabled.
 */
export async function lockActor(tx: Transaction, ctx: OperationContext): Promise<SubjectFacts> {
  const facts = await actorFacts(tx.db, ctx)
  await ensureSubject(tx, ctx, facts.id)
  const { isDisabled } = await lockSubject(tx, facts.id, 'share')
  if (!isDisabled) return facts
  throw new HallpassError('not_permitted', 'This subject is disabled. Ask an admin to enable it.', {
    refusal: { subject: facts.id },
  })
}
