import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { signCheckpoint } from '../../src/audit/checkpoint.ts'
import { entryHash } from '../../src/audit/entry.ts'
import { growTree } from '../../src/audit/merkle.ts'
import { formatVerifierKey, parseVerifierKey, type SignerKey } from '../../src/audit/signed-note.ts'
import type { TestServices } from '../support/context.ts'
import { onlyRow, tamper } from './support.ts'

/** The log's own key, as somebody who also has the master key gets at it. */
export async function stolenKey(test: TestServices): Promise<SignerKey> {
  const row = await onlyRow(test, 'select * from audit_key')
  const { secretBox } = test.services
  const key = secretBox.open(row.private_sealed, `audit_key ${row.verifier_key}`)
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  return { name: parseVerifierKey(row.verifier_key).name, privateKey }
}

/** A new key of the same name, put in the place of the log's. */
export async function replacedKey(test: TestServices): Promise<SignerKey> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = { name: (await stolenKey(test)).name, privateKey }
  const verifierKey = formatVerifierKey(key)
  const bytes = privateKey.export({ format: 'der', type: 'pkcs8' })
  const sealed = test.services.secretBox.seal(bytes, `audit_key ${verifierKey}`)
  await tamper(test, 'update audit_key set verifier_key = $1, private_sealed = $2', [
    verifierKey,
    sealed,
  ])
  return key
}

/** Computes every hash anew for the entries as they are now; leaves the checkpoints alone. */
export async function forgeHashes(test: TestServices) {
  const { rows } = await tamper(
    test,
    'select * from audit_entry where position is not null order by position',
  )
  const tree = growTree()
  const roots = new Map([[0, tree.root()]])
  await tamper(test, 'truncate audit_node')
  for (const row of rows) {
    const hash = entryHash({
      id: row.id,
      at: row.at,
      action: row.action,
      actor: { kind: row.actor_kind, id: row.actor_id, via: row.actor_via },
      subject: row.subject,
      resource: row.resource,
      requestId: row.request_id,
      grantId: row.grant_id,
      outcome: row.outcome,
      code: row.code,
      details: row.details,
    })
    for (const node of tree.append(hash)) {
      await tamper(test, 'insert into audit_node values ($1, $2, $3)', [
        node.level,
        node.index,
        node.hash,
      ])
    }
    roots.set(tree.size, tree.root())
  }
  return roots
}

/** Makes the whole log anew: every hash, and a checkpoint at each of these sizes. */
export async function forgeLog(
  test: TestServices,
  sizes: readonly number[],
  key: SignerKey,
): Promise<void> {
  const roots = await forgeHashes(test)
  await tamper(test, 'truncate audit_checkpoint')
  for (const size of sizes) {
    const root = roots.get(size)
    if (root === undefined) throw new Error(`there are fewer than ${size} entries`)
    await tamper(test, 'insert into audit_checkpoint values ($1, $2, $3, now())', [
      size,
      root,
      signCheckpoint({ size, root }, key),
    ])
  }
}
