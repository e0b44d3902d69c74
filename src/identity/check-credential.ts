import { and, eq, isNull, lte, or, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { Services } from '../context.ts'
import { clientCredentialTable } from '../database/schema/identity.ts'
import type { PresentedSecret } from './basic-header.ts'
import { hashSecret, isSameHash } from './secret.ts'

/** A credential whose secret was presented. */
export interface CheckedCredential {
  readonly clientId: string
  readonly ownerKind: 'resource' | 'workload'
  readonly ownerName: string
}

/** What is stored of a live credential, as far as checking it needs. */
export interface StoredCredential extends CheckedCredential {
  readonly secretHash: Buffer
  readonly lastUsedAt: Date | null
}

type CredentialServices = Pick<Services, 'clock' | 'database' | 'log'>

/** For look-ups that find a credential beside something else; see `isCredentialOf`. */
export const credentialColumns = {
  clientId: clientCredentialTable.clientId,
  ownerKind: clientCredentialTable.ownerKind,
  ownerName: clientCredentialTable.ownerName,
  secretHash: clientCredentialTable.secretHash,
  lastUsedAt: clientCredentialTable.lastUsedAt,
}

/** The credential that goes by this name, unless it was deleted. */
export function isCredentialOf(clientId: SQLWrapper | string): SQL | undefined {
  return and(eq(clientCredentialTable.clientId, clientId), isNull(clientCredentialTable.deletedAt))
}

/** How often the last use is written, at most. */
const lastUsedGranularityMilliseconds = 60_000

/** The live credential that this secret belongs to, or undefined. Notes the use, off the caller's path. */
export async function checkCredential(
  ctx: CredentialServices,
  presented: PresentedSecret,
): Promise<CheckedCredential | undefined> {
  // Postgres text holds no NUL
  if (presented.clientId.includes('\0')) return undefined
  const [stored] = await ctx.database.read((db) =>
    db
      .select(credentialColumns)
      .from(clientCredentialTable)
      .where(isCredentialOf(presented.clientId)),
  )
  return compareCredential(ctx, presented, stored)
}

/** The same for a credential that was looked up already, if there is one. */
export function compareCredential(
  ctx: CredentialServices,
  presented: PresentedSecret,
  stored: StoredCredential | null | undefined,
): CheckedCredential | undefined {
  // an unknown name costs the same comparison as a known one
  const expected = stored?.secretHash ?? hashSecret('')
  if (!isSameHash(expected, hashSecret(presented.secret)) || stored == null) return undefined
  noteUse(ctx, stored.clientId, stored.lastUsedAt)
  return { clientId: stored.clientId, ownerKind: stored.ownerKind, ownerName: stored.ownerName }
}

/** True while the credential is not deleted: long-lived streams ask again and close. */
export async function isCredentialLive(
  ctx: Pick<Services, 'database'>,
  clientId: string,
): Promise<boolean> {
  const rows = await ctx.database.read((db) =>
    db
      .select({ clientId: clientCredentialTable.clientId })
      .from(clientCredentialTable)
      .where(isCredentialOf(clientId)),
  )
  return rows.length === 1
}

function noteUse(ctx: CredentialServices, clientId: string, lastUsedAt: Date | null): void {
  const now = ctx.clock.now()
  const staleBefore = new Date(now.getTime() - lastUsedGranularityMilliseconds)
  if (lastUsedAt !== null && lastUsedAt > staleBefore) return
  ctx.database
    .read((db) =>
      db
        .update(clientCredentialTable)
        .set({ lastUsedAt: now })
        .where(
          and(
            eq(clientCredentialTable.clientId, clientId),
            or(
              isNull(clientCredentialTable.lastUsedAt),
              lte(clientCredentialTable.lastUsedAt, staleBefore),
            ),
          ),
        ),
    )
    .catch(() => ctx.log.warn({ clientId }, 'the last use of a credential was not noted'))
}
