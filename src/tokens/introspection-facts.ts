import { eq, sql } from 'drizzle-orm'
import type { Services } from '../context.ts'
import { batched, type Database, type Queryable } from '../database/index.ts'
import { accessGrantTable, issuedTokenTable } from '../database/schema/grants.ts'
import { clientCredentialTable, subjectTable } from '../database/schema/identity.ts'
import { signingKeyTable } from '../database/schema/tokens.ts'
import { credentialColumns, isCredentialOf, type StoredCredential } from '../identity/index.ts'
import {
  isGrantOfToken,
  isKeyOfToken,
  isRevoked,
  isSubjectOfToken,
  lifeOfGrant,
  type TokenStanding,
} from './token-facts.ts'

/** What may change from one introspection to the next: who asks, and how the token stands. */
export interface IntrospectionFacts {
  readonly credential: StoredCredential | null
  readonly standing: TokenStanding | undefined
}

interface Asked {
  readonly clientId: string
  readonly jti: string
}

type LookUp = (asked: string) => Promise<IntrospectionFacts | undefined>

const lookUps = new WeakMap<Database, LookUp>()

/**
 * The credential and the token as they are at this moment. Look-ups that wait at the same time share one statement,
 * which a connection prepares once. Neither name may hold a NUL.
 */
export async function introspectionFacts(
  ctx: Pick<Services, 'clock' | 'database'>,
  { clientId, jti }: Asked,
): Promise<IntrospectionFacts> {
  const lookUp = lookUps.get(ctx.database) ?? createLookUp(ctx)
  lookUps.set(ctx.database, lookUp)
  const found = await lookUp(keyOf(clientId, jti))
  return found ?? { credential: null, standing: undefined }
}

/** A jti holds no space, so that the two come apart again. */
function keyOf(clientId: string, jti: string): string {
  return `${jti} ${clientId}`
}

function createLookUp({ clock, database }: Pick<Services, 'clock' | 'database'>): LookUp {
  let statement: ReturnType<typeof prepareStatement> | undefined
  return batched(async (keys) => {
    const jtis = keys.map((key) => key.slice(0, key.indexOf(' ')))
    const clientIds = keys.map((key) => key.slice(key.indexOf(' ') + 1))
    const now = clock.now().toISOString()
    const rows = await database.read((db) => {
      statement ??= prepareStatement(db, database.statementName('introspection_facts'))
      return statement.execute({ clientIds, jtis, now })
    })
    return new Map(rows.map((row) => [keyOf(row.clientId, row.jti), factsOf(row)]))
  })
}

/** Sub-selects hide how long the arrays are: otherwise Postgres would make a plan for every batch. */
const asked = sql`unnest(array(select unnest(${sql.placeholder('clientIds')}::text[])),
  array(select unnest(${sql.placeholder('jtis')}::text[]))) as asked (client_id, jti)`

function prepareStatement(db: Queryable, name: string) {
  return db
    .select({
      clientId: sql<string>`asked.client_id`,
      jti: sql<string>`asked.jti`,
      credential: credentialColumns,
      grant: lifeOfGrant,
      isDisabled: subjectTable.isDisabled,
      keyState: signingKeyTable.state,
      isRevoked: isRevoked(sql`${sql.placeholder('now')}`),
    })
    .from(asked)
    .leftJoin(clientCredentialTable, isCredentialOf(sql`asked.client_id`))
    .leftJoin(issuedTokenTable, eq(issuedTokenTable.jti, sql`asked.jti`))
    .leftJoin(accessGrantTable, isGrantOfToken)
    .leftJoin(subjectTable, isSubjectOfToken)
    .leftJoin(signingKeyTable, isKeyOfToken)
    .prepare(name)
}

type Row = Awaited<ReturnType<ReturnType<typeof prepareStatement>['execute']>>[number]

function factsOf({ credential, grant, isDisabled, keyState, isRevoked }: Row): IntrospectionFacts {
  const isComplete = grant !== null && isDisabled !== null && keyState !== null
  const standing = isComplete ? { grant, isDisabled, keyState, isRevoked } : undefined
  return { credential, standing }
}
