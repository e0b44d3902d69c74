import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { lockActorFacts, setDisabled } from '../../src/identity/index.ts'
import { useTestServices } from '../support/context.ts'

const test = await useTestServices()
const { database } = test.services

it('gives a subject that was never seen a row, and holds it', async () => {
  const ctx = test.asPerson('dana@example.com')
  await database.transaction(async (tx) => {
    expect(await lockActorFacts(tx, ctx)).toMatchObject({
      id: 'dana@example.com',
      kind: 'person',
      claimGroups: [],
    })
    // another connection can neither end nor disable it meanwhile
    const { rows } = await database.read((db) =>
      db.execute(sql`select id from subject where id = 'dana@example.com' for update skip locked`),
    )
    expect(rows).toEqual([])
  })
  const { rows } = await database.read((db) =>
    db.execute(sql`select id from subject where id = 'dana@example.com' for update skip locked`),
  )
  expect(rows).toEqual([{ id: 'dana@example.com' }])
})

it('lets two newcomers of one name in at once', async () => {
  const ctx = test.asPerson('carol@example.com')
  const facts = await Promise.all(
    Array.from({ length: 8 }, () => database.transaction((tx) => lockActorFacts(tx, ctx))),
  )
  expect(new Set(facts.map(({ id }) => id))).toEqual(new Set(['carol@example.com']))
})

it('refuses a disabled subject, and actors that are no subject', async () => {
  const ctx = test.asPerson('alice@example.com')
  await database.transaction(async (tx) => {
    await lockActorFacts(tx, ctx)
    await setDisabled(tx, test.services, 'alice@example.com', 'left the company')
  })
  const refused = { code: 'not_permitted' }
  for (const actor of [ctx, test.asJob('expire-grants'), test.asOperator()]) {
    await expect(database.transaction((tx) => lockActorFacts(tx, actor))).rejects.toMatchObject(
      refused,
    )
  }
  const nobody = test.as({ kind: 'anonymous', id: 'anonymous', via: 'none' })
  await expect(database.transaction((tx) => lockActorFacts(tx, nobody))).rejects.toMatchObject({
    code: 'unauthenticated',
  })
})
