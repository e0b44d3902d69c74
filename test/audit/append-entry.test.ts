import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appendEntry, isLogWritable, sealEntries } from '../../src/audit/index.ts'
import { openDatabase } from '../../src/database/index.ts'
import { useTestServices } from '../support/context.ts'
import { onlyRow, tamper } from './support.ts'

const test = await useTestServices()
const { database } = test.services
const ctx = test.asPerson('alice@example.com', 'cli')

/** One statement as the application's role; its SQLSTATE when refused. */
async function asApplication(statement: string): Promise<string> {
  try {
    await database.transaction((tx) => tx.db.execute(statement))
    return 'done'
  } catch (error) {
    if (error instanceof Error && 'sqlState' in error) return String(error.sqlState)
    throw error
  }
}

const insufficientPrivilege = '42501'

describe('an audit entry', () => {
  it('says who did what, when, to whom and with which outcome', async () => {
    await database.transaction((tx) =>
      appendEntry(tx, ctx, {
        action: 'review-request',
        outcome: 'refused',
        code: 'self_review',
        subject: 'alice@example.com',
        resource: 'billing-api',
        requestId: 'req_1',
        grantId: 'grt_1',
        details: { verdict: 'approve', seats: [1, 2] },
      }),
    )
    const row = await onlyRow(test, `select * from audit_entry where request_id = 'req_1'`)
    expect(row).toMatchObject({
      id: expect.stringMatching(/^aud_/),
      at: test.clock.now(),
      action: 'review-request',
      actor_kind: 'person',
      actor_id: 'alice@example.com',
      actor_via: 'cli',
      subject: 'alice@example.com',
      resource: 'billing-api',
      grant_id: 'grt_1',
      outcome: 'refused',
      code: 'self_review',
      details: { verdict: 'approve', seats: [1, 2] },
      position: null,
    })
  })

  it('is gone with the transaction that wrote it', async () => {
    const undone = database.transaction(async (tx) => {
      await appendEntry(tx, ctx, { action: 'undone', outcome: 'ok' })
      throw new Error('undo')
    })
    await expect(undone).rejects.toThrow('undo')
    const { rows } = await tamper(test, `select id from audit_entry where action = 'undone'`)
    expect(rows).toEqual([])
  })

  it('is on record whatever characters a refusal was about', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.jsonValue(), async (text, value) => {
        const noise = `${text}\0\ud800 ${text} \udc00 \\u0000 \\`
        await database.transaction((tx) =>
          appendEntry(tx, ctx, {
            action: 'noise',
            outcome: 'refused',
            subject: noise,
            details: { [noise]: noise, value },
          }),
        )
      }),
      { numRuns: 30 },
    )
    const { rows } = await tamper(
      test,
      `select subject, details from audit_entry where action = 'noise'`,
    )
    expect(rows.length).toBeGreaterThanOrEqual(30)
    for (const { subject, details } of rows) {
      expect(subject).toContain('\ufffd\ufffd')
      expect(subject).toMatch(/\ufffd \\u0000 \\$/)
      expect(details[subject]).toBe(subject)
    }
    expect((await sealEntries(test.services)).sealedCount).toBeGreaterThanOrEqual(30)
  })
})

describe("the application's role", () => {
  it.each([
    `insert into audit_entry (id, at, action, actor_kind, actor_id, actor_via, outcome) values ('x', now(), 'x', 'x', 'x', 'x', 'ok')`,
    `update audit_entry set action = 'x'`,
    `update audit_entry set position = null`,
    `delete from audit_entry`,
    `truncate audit_entry`,
    `merge into audit_entry e using (select 1) s on true when matched then delete`,
    `copy audit_entry from program 'true'`,
    `select * from audit_entry for update`,
    `lock table audit_entry in access exclusive mode`,
    `insert into audit_node values (0, 0, sha256(''))`,
    `update audit_node set hash = sha256('')`,
    `delete from audit_node`,
    `insert into audit_checkpoint values (99, sha256(''), 'x', now())`,
    `update audit_checkpoint set note = 'x'`,
    `delete from audit_checkpoint`,
    `truncate audit_checkpoint, audit_node, audit_entry`,
    `insert into audit_key (verifier_key, private_sealed, created_at) values ('x', 'x', now())`,
    `update audit_key set verifier_key = 'x'`,
    `delete from audit_key`,
  ])('cannot run: %s', async (statement) => {
    expect(await asApplication(statement)).toBe(insufficientPrivilege)
  })

  it.each([
    `create trigger t before insert on audit_entry for each row execute function suppress_redundant_updates_trigger()`,
    `alter table audit_entry disable trigger all`,
    `alter table audit_entry drop column action`,
    `alter table audit_entry owner to current_user`,
    `create rule r as on insert to audit_entry do instead nothing`,
    `create table audit_child () inherits (audit_entry)`,
    `create table child (id text references audit_entry (id) on delete cascade)`,
    `create policy p on audit_entry using (false)`,
    `drop table audit_entry cascade`,
    `drop index audit_entry_position`,
    `set session_replication_role = replica`,
    `drop function append_audit_entry`,
    `alter function append_audit_entry set search_path = pg_temp`,
    `alter function append_audit_entry owner to current_user`,
    `create or replace function create_audit_key(p_verifier_key text, p_private_sealed bytea, p_created_at timestamptz) returns void language sql as ''`,
    `create function public.sha256(text) returns bytea language sql as $$ select ''::bytea $$`,
  ])('has no way round: %s', async (statement) => {
    expect(await asApplication(statement)).toBe(insufficientPrivilege)
  })

  it('gains nothing by granting itself rights', async () => {
    // Postgres warns that nothing was granted, and goes on
    await asApplication('grant all on audit_entry to current_user')
    await asApplication('grant insert on audit_entry to public')
    expect(await asApplication(`delete from audit_entry`)).toBe(insufficientPrivilege)
    expect(await asApplication(`insert into audit_entry default values`)).toBe(
      insufficientPrivilege,
    )
  })

  it('cannot become the owner', async () => {
    const { owner } = await onlyRow(
      test,
      `select tableowner as owner from pg_tables where tablename = 'audit_entry'`,
    )
    expect(await asApplication(`set role ${owner}`)).toBe(insufficientPrivilege)
  })

  it('does not redirect the append function with a temporary table of its own', async () => {
    const before = await onlyRow(test, 'select count(*)::int as n from audit_entry')
    await database.transaction(async (tx) => {
      await tx.db.execute('create temporary table audit_entry (like public.audit_entry)')
      await tx.db.execute('set local search_path = pg_temp, public')
      await appendEntry(tx, ctx, { action: 'redirected', outcome: 'ok' })
      await tx.db.execute('drop table pg_temp.audit_entry')
    })
    const after = await onlyRow(test, 'select count(*)::int as n from audit_entry')
    expect(after.n).toBe(before.n + 1)
  })

  it('cannot give a sealed entry another position, nor an entry that is not there one', async () => {
    await database.transaction((tx) => appendEntry(tx, ctx, { action: 'sealed', outcome: 'ok' }))
    await sealEntries(test.services)
    const { id, size } = await onlyRow(
      test,
      `select id, (select max(size) from audit_checkpoint) as size from audit_entry where action = 'sealed'`,
    )
    const seal = (ids: string, at: string) =>
      asApplication(`select seal_audit_entries(${at}, ${ids}, '{0}', '{${size}}',
        array[sha256('')], sha256(''), 'note', now())`)
    expect(await seal(`array['${id}']`, size)).toBe('P0001')
    expect(await seal(`array['aud_nowhere']`, size)).toBe('P0001')
    expect(await seal(`array['${id}']`, '0')).toBe('40001')
    expect(await seal('array[]::text[]', size)).toBe('23505')
  })

  it('cannot store a second key', async () => {
    await sealEntries(test.services)
    const before = await onlyRow(test, 'select * from audit_key')
    expect(await asApplication(`select create_audit_key('evil', 'x', now())`)).toBe('done')
    expect(await onlyRow(test, 'select * from audit_key')).toEqual(before)
  })

  it('may execute no other function of ours, and nobody else any', async () => {
    const { rows } = await tamper(
      test,
      `select p.proname as name, array_agg(coalesce(r.rolname, 'public')::text) as grantees
       from pg_proc p cross join lateral aclexplode(p.proacl) a left join pg_roles r on r.oid = a.grantee
       where p.pronamespace = 'public'::regnamespace and p.proname ~ 'audit' and a.grantee <> p.proowner
       group by 1 order by 1`,
    )
    const grantees = [test.database.applicationRole]
    expect(rows).toEqual([
      { name: 'append_audit_entry', grantees },
      { name: 'create_audit_key', grantees },
      { name: 'reseal_audit_key', grantees },
      { name: 'seal_audit_entries', grantees },
    ])
  })

  it('is told apart from a role that owns the log', async () => {
    expect(await isLogWritable(test.services)).toBe(false)
    const owner = openDatabase(test.database.ownerConnection, { maxConnections: 1 })
    try {
      expect(await isLogWritable({ database: owner })).toBe(true)
    } finally {
      await owner.close()
    }
  })
})
