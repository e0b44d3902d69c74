import { and, eq, gt, inArray, or, type SQL, sql } from 'drizzle-orm'
import type { Services } from '../context.ts'
import { batched, type Database, type Queryable } from '../database/index.ts'
import { accessGrantTable, issuedTokenTable, revocationTable } from '../database/schema/grants.ts'
import { subjectTable } from '../database/schema/identity.ts'
import { signingKeyTable } from '../database/schema/tokens.ts'

/** What the database knows of one minted token. */
export type TokenFacts = Awaited<ReturnType<typeof factsOf>>[number]

/** The recorded token with its grant, subject, key, and whether a revocation matches any of them. */
export async function tokenFacts(
  db: Queryable,
  jti: string,
  now: Date,
): Promise<TokenFacts | undefined> {
  const [facts] = await factsOf(db, [jti], now)
  return facts
}

const lookUps = new WeakMap<Database, (jti: string) => Promise<TokenFacts | undefined>>()

/** The same at this moment; look-ups that wait at the same time share one query. */
export function currentTokenFacts(
  ctx: Pick<Services, 'clock' | 'database'>,
  jti: string,
): Promise<TokenFacts | undefined> {
  const { clock, database } = ctx
  const known = lookUps.get(database)
  if (known !== undefined) return known(jti)
  const lookUp = batched(async (jtis: readonly string[]) => {
    const rows = await database.read((db) => factsOf(db, jtis, clock.now()))
    return new Map(rows.map((row) => [row.jti, row]))
  })
  lookUps.set(database, lookUp)
  return lookUp(jti)
}

function factsOf(db: Queryable, jtis: readonly string[], now: Date) {
  return db
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
    .where(inArray(issuedTokenTable.jti, [...jtis]))
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
