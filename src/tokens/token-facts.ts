import { eq, type SQL, sql } from 'drizzle-orm'
import type { Queryable } from '../database/index.ts'
import { accessGrantTable, issuedTokenTable, revocationTable } from '../database/schema/grants.ts'
import { subjectTable } from '../database/schema/identity.ts'
import { signingKeyTable } from '../database/schema/tokens.ts'

/** What the database knows of one minted token: what it was recorded with, and how it stands. */
export type TokenFacts = Awaited<ReturnType<typeof factsOf>>[number]

/** The part that may change while a token lives. */
export type TokenStanding = Pick<TokenFacts, 'grant' | 'isDisabled' | 'keyState' | 'isRevoked'>

/** The recorded token with its grant, subject, key, and whether a revocation matches any of them. */
export async function tokenFacts(
  db: Queryable,
  jti: string,
  now: Date,
): Promise<TokenFacts | undefined> {
  const [facts] = await factsOf(db, jti, now)
  return facts
}

function factsOf(db: Queryable, jti: string, now: Date) {
  return db
    .select({
      jti: issuedTokenTable.jti,
      kid: issuedTokenTable.kid,
      grantId: issuedTokenTable.grantId,
      audience: accessGrantTable.audience,
      subject: issuedTokenTable.subject,
      resource: issuedTokenTable.resource,
      clientId: issuedTokenTable.clientId,
      scopes: issuedTokenTable.scopes,
      expiresAt: issuedTokenTable.expiresAt,
      grant: lifeOfGrant,
      isDisabled: subjectTable.isDisabled,
      keyState: signingKeyTable.state,
      isRevoked: isRevoked(sql`${now.toISOString()}`),
    })
    .from(issuedTokenTable)
    .innerJoin(accessGrantTable, isGrantOfToken)
    .innerJoin(subjectTable, isSubjectOfToken)
    .innerJoin(signingKeyTable, isKeyOfToken)
    .where(eq(issuedTokenTable.jti, jti))
}

export const lifeOfGrant = {
  state: accessGrantTable.state,
  startsAt: accessGrantTable.startsAt,
  endsAt: accessGrantTable.endsAt,
}

export const isGrantOfToken = eq(accessGrantTable.id, issuedTokenTable.grantId)
export const isSubjectOfToken = eq(subjectTable.id, issuedTokenTable.subject)
export const isKeyOfToken = eq(signingKeyTable.kid, issuedTokenTable.kid)

/**
 * Whether a revocation matches the token. One counts until `forget_at`; by then every token that it concerns has
 * expired. Four look-ups by key, however many revocations live.
 */
export function isRevoked(now: SQL): SQL<boolean> {
  const { kind, target, forgetAt } = revocationTable
  const { jti, grantId, subject, resource } = issuedTokenTable
  return sql<boolean>`exists (
    select 1
    from (values ('token', ${jti}), ('grant', ${grantId}), ('subject', ${subject}),
      ('resource', ${resource})) as about (kind, target)
    join ${revocationTable} on ${kind} = about.kind and ${target} = about.target
    where ${forgetAt} > ${now}::timestamptz)`
}
