import { appendFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { sealEntries } from '../../src/audit/index.ts'
import { verifyLog } from '../../src/audit/reading/index.ts'
import { signNote } from '../../src/audit/signed-note.ts'
import { openDatabase } from '../../src/database/index.ts'
import { createTestServices, type TestServices } from '../support/context.ts'
import { replacedKey, stolenKey } from './forge.ts'
import {
  freshServices,
  named,
  onlyRow,
  record,
  recordSealed,
  tamper,
  temporaryFolder,
} from './support.ts'

let test: TestServices
let file: string

beforeEach(async () => {
  test = await freshServices(createTestServices)
  file = join(await temporaryFolder(), 'data', 'checkpoints')
})

async function storedNotes(): Promise<readonly string[]> {
  const { rows } = await tamper(test, 'select note from audit_checkpoint order by size')
  return rows.map(({ note }) => note)
}

const filed = () => readFile(file, 'utf8')
const verify = (path = file) => verifyLog(test.asOperator(), { checkpointFiles: [path] })

describe('the checkpoint file', () => {
  it('gets every checkpoint, in order, as it is stored', async () => {
    await recordSealed(test, [1, 2, 3], file)
    const notes = await storedNotes()
    expect(notes).toHaveLength(3)
    expect(await filed()).toBe(notes.map((note) => `${note}\n`).join(''))
  })

  it('is for its owner alone, with the verifier key beside it', async () => {
    await recordSealed(test, [1], file)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const { verifier_key } = await onlyRow(test, 'select verifier_key from audit_key')
    expect(await readFile(`${file}.key`, 'utf8')).toBe(`${verifier_key}\n`)
  })

  it('is left alone while there is nothing new', async () => {
    await recordSealed(test, [2], file)
    const before = await filed()
    await sealEntries(test.services, { checkpointFile: file })
    expect(await filed()).toBe(before)
  })

  it('never states what did not commit', async () => {
    await recordSealed(test, [2], file)
    await record(test, ['later'])
    await tamper(
      test,
      `create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
       create constraint trigger refuse after insert on audit_checkpoint
         deferrable initially deferred for each row execute function refuse()`,
    )
    const before = await filed()
    await expect(sealEntries(test.services, { checkpointFile: file })).rejects.toThrow()
    expect(await filed()).toBe(before)
    await tamper(test, 'drop trigger refuse on audit_checkpoint')
    await sealEntries(test.services, { checkpointFile: file })
    expect((await verify()).outsideCheckpointCount).toBe(2)
  })

  it('catches up after a crash between the commit and the filing', async () => {
    await recordSealed(test, [2], file)
    await record(test, named(3, 3))
    await sealEntries(test.services) // committed, and killed before it filed
    expect((await verify()).outsideCheckpointCount).toBe(1)
    await sealEntries(test.services, { checkpointFile: file })
    expect(await filed()).toBe((await storedNotes()).map((note) => `${note}\n`).join(''))
    expect(await verify()).toMatchObject({ isIntact: true, unreadableCount: 0 })
  })

  it('catches up after the folder could not be written for a while', async () => {
    await record(test, named(3))
    await mkdir(file, { recursive: true })
    await expect(sealEntries(test.services, { checkpointFile: file })).rejects.toThrow()
    expect(await onlyRow(test, 'select count(*)::int from audit_checkpoint')).toEqual({ count: 1 })
    await rm(file, { recursive: true })
    await sealEntries(test.services, { checkpointFile: file })
    expect(await verify()).toMatchObject({ isIntact: true, outsideCheckpointCount: 1 })
  })

  it('catches up wherever a crash cut the last line short', async () => {
    await recordSealed(test, [2, 2], file)
    const whole = await readFile(file)
    const [first = ''] = await storedNotes()
    await record(test, ['later'])
    for (let length = Buffer.byteLength(first) + 1; length < whole.length; length += 3) {
      const cut = whole.subarray(0, length)
      await writeFile(file, cut)
      await sealEntries(test.services, { checkpointFile: file })
      expect((await readFile(file)).subarray(0, length)).toEqual(cut)
      const report = await verify()
      expect(report).toMatchObject({ isIntact: true })
      expect(report.outsideCheckpointCount).toBe((await storedNotes()).length)
    }
  })

  it('catches up behind rubbish longer than any checkpoint', async () => {
    await recordSealed(test, [2], file)
    await appendFile(file, `${'rubbish '.repeat(2_000)}\n\n`)
    await record(test, ['later'])
    await sealEntries(test.services, { checkpointFile: file })
    const report = await verify()
    expect(report).toMatchObject({ isIntact: true, outsideCheckpointCount: 2, unreadableCount: 1 })
  })

  it('is shared by replicas without a line lost or torn', async () => {
    const replicas = [1, 2, 3].map(() => {
      const database = openDatabase(test.database.applicationConnection, { maxConnections: 2 })
      onTestFinished(() => database.close())
      return { ...test.services, database }
    })
    for (let from = 1; from <= 61; from += 3) {
      await record(test, named(3, from))
      await Promise.all(replicas.map((services) => sealEntries(services, { checkpointFile: file })))
    }
    await sealEntries(test.services, { checkpointFile: file })
    expect(await filed()).toBe((await storedNotes()).map((note) => `${note}\n`).join(''))
  })

  it('that knows more than the database is kept, and said so', async () => {
    await recordSealed(test, [2, 4], file)
    const before = await filed()
    await tamper(test, 'delete from audit_entry where position > 2')
    await tamper(test, 'delete from audit_checkpoint where size > 2')
    await tamper(test, 'delete from audit_node where (index + 1) * (1 << level) > 2')
    await record(test, ['later'])
    await sealEntries(test.services, { checkpointFile: file })
    expect(await filed()).toBe(before)
    expect(test.logLines.join('\n')).toContain('knows more audit entries than the database')
    expect((await verify()).finding).toMatchObject({ kind: 'missing', position: 4, upTo: 6 })
  })
})

describe('a file to verify against', () => {
  it('may hold one checkpoint, as the API gives it', async () => {
    await recordSealed(test, [2, 4])
    const [, second = ''] = await storedNotes()
    const saved = join(await temporaryFolder(), 'saved')
    await writeFile(saved, second)
    expect(await verify(saved)).toMatchObject({ isIntact: true, outsideCheckpointCount: 1 })
  })

  it('may repeat itself and step back', async () => {
    await recordSealed(test, [2, 4, 1])
    const notes = await storedNotes()
    const saved = join(await temporaryFolder(), 'saved')
    await writeFile(saved, [...notes, ...notes.toReversed(), ...notes].join('\n'))
    expect(await verify(saved)).toMatchObject({ isIntact: true, outsideCheckpointCount: 9 })
  })

  it('shows a rewritten log also where it steps back', async () => {
    await recordSealed(test, [2, 4, 1])
    const key = await stolenKey(test)
    const [first = '', , third = ''] = await storedNotes()
    const root = Buffer.alloc(32, 1).toString('base64')
    const saved = join(await temporaryFolder(), 'saved')
    await writeFile(saved, [first, third, signNote(`${key.name}\n6\n${root}\n`, key)].join('\n'))
    expect((await verify(saved)).finding).toMatchObject({ kind: 'rewritten', position: 1, upTo: 6 })
  })

  it('must be there', async () => {
    await expect(verify(join(file, 'nowhere'))).rejects.toMatchObject({ code: 'invalid_input' })
    await expect(verify(await temporaryFolder())).rejects.toMatchObject({ code: 'invalid_input' })
  })

  it.each(['', 'not a checkpoint\n', '\n\n\n— x y\n'])(
    'must hold a checkpoint, not %j',
    async (text) => {
      await recordSealed(test, [2])
      const saved = join(await temporaryFolder(), 'saved')
      await writeFile(saved, text)
      await expect(verify(saved)).rejects.toMatchObject({ code: 'invalid_input' })
    },
  )

  it('is found changed when a signature in it is wrong', async () => {
    await recordSealed(test, [2, 4], file)
    await writeFile(file, (await filed()).replace('\n2\n', '\n1\n'))
    expect((await verify()).finding).toMatchObject({ kind: 'bad_checkpoint' })
  })

  it('of another log is told apart', async () => {
    await recordSealed(test, [2], file)
    await replacedKey(test)
    expect((await verify()).finding).toMatchObject({ kind: 'other_key' })
  })
})
