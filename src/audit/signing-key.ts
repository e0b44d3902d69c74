import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Services } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { auditKeyTable } from '../database/schema/audit.ts'
import { formatVerifierKey, parseVerifierKey, type SignerKey } from './signed-note.ts'

type KeyContext = Pick<Services, 'clock' | 'issuer' | 'secretBox'>

/**
 * Makes the log's Ed25519 key when there is none, and encrypts it again when `isOutdated` says that an older
 * master key sealed it. The issuer's host at that first start is the log's origin for good, so that a later
 * change of address does not look like another log. Throws `cannot_decide` when the key cannot be opened.
 */
export async function ensureAuditKey(
  ctx: KeyContext & Pick<Services, 'database'>,
  isOutdated: (sealed: Uint8Array) => boolean = () => false,
): Promise<void> {
  await ctx.database.transaction(async (tx) => {
    await ensureSigner(tx, ctx)
    const [row] = await tx.db.select().from(auditKeyTable)
    if (row === undefined || !isOutdated(row.privateSealed)) return
    const identity = identityOf(row.verifierKey)
    const resealed = ctx.secretBox.seal(ctx.secretBox.open(row.privateSealed, identity), identity)
    await tx.db.execute(sql`select reseal_audit_key(${row.verifierKey}, ${resealed})`)
  })
}

/** The key that signs checkpoints; made when there is none. */
export async function ensureSigner(tx: Transaction, ctx: KeyContext): Promise<SignerKey> {
  const [stored] = await tx.db.select().from(auditKeyTable)
  if (stored !== undefined) return open(ctx, stored)
  const { privateKey } = generateKeyPairSync('ed25519')
  const verifierKey = formatVerifierKey({ name: new URL(ctx.issuer).host, privateKey })
  const bytes = privateKey.export({ format: 'der', type: 'pkcs8' })
  const sealed = ctx.secretBox.seal(bytes, identityOf(verifierKey))
  await tx.db.execute(
    sql`select create_audit_key(${verifierKey}, ${sealed}, ${ctx.clock.now().toISOString()}::timestamptz)`,
  )
  // another replica may have been first: what is stored counts
  const [first] = await tx.db.select().from(auditKeyTable)
  if (first === undefined) throw new Error('the audit key was not stored')
  return open(ctx, first)
}

/** The published verifier key of the log; undefined before its first start. */
export async function verifierKeyOf(db: Queryable): Promise<string | undefined> {
  const [row] = await db.select({ verifierKey: auditKeyTable.verifierKey }).from(auditKeyTable)
  return row?.verifierKey
}

function open(ctx: KeyContext, row: typeof auditKeyTable.$inferSelect): SignerKey {
  const bytes = ctx.secretBox.open(row.privateSealed, identityOf(row.verifierKey))
  const privateKey = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' })
  return { name: parseVerifierKey(row.verifierKey).name, privateKey }
}

function identityOf(verifierKey: string): string {
  return `audit_key ${verifierKey}`
}
