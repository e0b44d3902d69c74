import { and, eq, gt, or, type SQL, sql } from 'drizzle-orm'
import type { Queryable } from '../database/index.ts'
import { accessGrantTable, issuedTokenTable, revocationTable } from '../database/schema/grants.ts'
import { subjectTable } from '../database/schema/identity.ts'
import { signingKeyTable } from '../database/schema/tokens.ts'

/** What the database knows of one minted token. */
export type TokenFacts = NonNullable<Awaited<ReturnType<typeof tokenFacts>>>

/** One query: the recorded token with its grant, subject, key, and whether a revocation matches any of them. */
export async function tokenFacts(db: Queryable, jti: string, now: Date) {
  const [row] = await db
    .select({
      jti: issuedTokenTable.jti,
      kid: issuedTokenTable.kid,
      subject: issuedTokenTable.subject,
      resource: issuedTokenTable.resource,
      clientId: issuedTokenTable.clientId,
      scopes: issuedTokenTable.scopes,
      expiresAt: issuedTokenTable.expiresAt,
      grant: {
        id: accessGrantTable.id,
        audience: accessGrantTable.audience,
        state: accessGrantTable.state,
        startsAt: accessGrantTable.startsAt,
        endsAt: accessGrantTable.endsAt,
      },
      isDisabled: subjectTable.isDisabled,
      keyState: signingKeyTable.state,
      isRevoked: sql<boolean>`exists (
        select 1 from ${revocationTable} where ${matchingRevocation(now)})`,
    })
    .from(issuedTokenTable)
    .innerJoin(accessGrantTable, eq(accessGrantTable.id, issuedTokenTable.grantId))
    .innerJoin(subjectTable, eq(subjectTable.id, issuedTokenTable.subject))
    .innerJoin(signingKeyTable, eq(signingKeyTable.kid, issuedTokenTable.kid))
    .where(eq(issuedTokenTable.jti, jti))
  return row
}

/** A revocation counts until `forget_at`; by then every token that it concerns has expired. */
function matchingRevocation(now: Date): SQL | undefined {
  const { kind, target } = revocationTable
  return and(
    gt(revocationTable.forgetAt, now),
    or(
      and(eq(kind, 'token'), eq(target, issuedTokenTable.jti)),
      and(eq(kind, 'grant'), eq(target, issuedTokenTable.grantId)),
      and(eq(kind, 'subject'), eq(target, issuedTokenTable.subject)),
      and(eq(kind, 'resource'), eq(target, issuedTokenTable.resource)),
    ),
  )
}
