import { describe, expect, it } from 'vitest'
import type { Actor } from '../../src/context.ts'
import { subjectTable } from '../../src/database/schema/identity.ts'
import {
  actorFacts,
  claimHolders,
  ensureSubject,
  knownSubjects,
  lockSubject,
  setDisabled,
  subjectFacts,
} from '../../src/identity/index.ts'
import { useTestServices } from '../support/context.ts'

const room = await useTestServices()
const { services, clock } = room

async function store(
  id: string,
  facts: { claimGroups?: string[]; claimsAt?: Date; isDisabled?: boolean } = {},
): Promise<void> {
  const { isDisabled = false, ...rest } = facts
  await services.database.transaction((tx) =>
    tx.db.insert(subjectTable).values({
      id,
      kind: id.startsWith('workload:') ? 'workload' : 'person',
      createdAt: clock.now(),
      isDisabled,
      disabledAt: isDisabled ? clock.now() : null,
      ...rest,
    }),
  )
}

const facts = (id: string) => services.database.read((db) => subjectFacts(db, services, id))

describe('subjectFacts', () => {
  it('knows nothing bad and nothing good of a subject that was never seen', async () => {
    expect(await facts('nobody@example.com')).toEqual({
      id: 'nobody@example.com',
      kind: 'person',
      claimGroups: [],
      isDisabled: false,
    })
    expect(await facts('workload:ghost')).toMatchObject({ kind: 'workload' })
  })

  it('tells the same for many at once, in one query', async () => {
    await store('many@example.com', { claimGroups: ['g'], claimsAt: clock.now() })
    const ids = ['many@example.com', 'nobody@example.com', 'workload:ghost']
    const known = await services.database.read((db) => knownSubjects(db, services, ids))
    for (const id of ids) expect(known.get(id)).toEqual(await facts(id))
    expect(await services.database.read((db) => knownSubjects(db, services, []))).toEqual(new Map())
  })
})

describe('claimHolders', () => {
  it('finds people with a fresh claim, and nobody else', async () => {
    const now = clock.now()
    const old = new Date(now.getTime() - 24 * 3600 * 1000 - 1)
    await store('fresh@example.com', { claimGroups: ['other', 'oncall'], claimsAt: now })
    await store('edge@example.com', {
      claimGroups: ['oncall'],
      claimsAt: new Date(old.getTime() + 1),
    })
    await store('stale@example.com', { claimGroups: ['oncall'], claimsAt: old })
    await store('out@example.com', { claimGroups: ['oncall'], claimsAt: now, isDisabled: true })
    await store('alike@example.com', { claimGroups: ['oncall-2', 'ONCALL'], claimsAt: now })
    await store('workload:oncall', { claimGroups: ['oncall'], claimsAt: now })
    const holders = (names: string[]) =>
      services.database.read((db) => claimHolders(db, services, names))
    const ids = (await holders(['oncall', 'unheard-of'])).map(({ id }) => id)
    expect(ids).toEqual(['edge@example.com', 'fresh@example.com'])
    expect(await holders([])).toEqual([])
    expect(await holders(["oncall'} or true --", '"', '\\', '{}'])).toEqual([])
  })
})

describe('actorFacts', () => {
  const factsOfActor = (actor: Actor) =>
    services.database.read((db) => actorFacts(db, { ...services, actor }))

  it('are the facts of the subject who acts', async () => {
    const actor: Actor = { kind: 'person', id: 'fresh@example.com', via: 'slack' }
    expect(await factsOfActor(actor)).toMatchObject({ id: 'fresh@example.com', kind: 'person' })
  })

  it.each<[Actor['kind'], string]>([
    ['anonymous', 'unauthenticated'],
    ['resource', 'not_permitted'],
    ['job', 'not_permitted'],
    ['operator', 'not_permitted'],
  ])('do not exist for %s, even under the id of a person', async (kind, code) => {
    const actor: Actor = { kind, id: 'fresh@example.com', via: 'none' }
    await expect(factsOfActor(actor)).rejects.toMatchObject({ code })
  })

  it('are refused to a disabled subject, by whatever door it came', async () => {
    for (const via of ['slack', 'api', 'browser'] as const) {
      const actor: Actor = { kind: 'person', id: 'out@example.com', via }
      await expect(factsOfActor(actor)).rejects.toMatchObject({ code: 'not_permitted' })
    }
  })
})

describe('the lock on a subject', () => {
  it('lets sharers in together, and makes them wait for whoever ends everything', async () => {
    const id = 'locked@example.com'
    const { database } = services
    await database.transaction((tx) => ensureSubject(tx, services, id))
    const order: string[] = []
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    let locked = () => {}
    const isLocked = new Promise<void>((resolve) => {
      locked = resolve
    })
    const ending = database.transaction(async (tx) => {
      await lockSubject(tx, id, 'update')
      locked()
      await released
      await setDisabled(tx, services, id, 'left')
      order.push('ended')
    })
    await isLocked
    const sharing = [1, 2].map(() =>
      database.transaction(async (tx) => {
        const { isDisabled } = await lockSubject(tx, id, 'share')
        order.push(`shared, disabled: ${isDisabled}`)
      }),
    )
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(order).toEqual([])
    release()
    await Promise.all([ending, ...sharing])
    expect(order).toEqual(['ended', 'shared, disabled: true', 'shared, disabled: true'])
  })

  it('needs a row, so that nobody locks nothing', async () => {
    await expect(
      services.database.transaction((tx) => lockSubject(tx, 'absent@example.com', 'update')),
    ).rejects.toThrow('ensured')
  })

  it('finds the row that simultaneous callers ensured once', async () => {
    const id = 'workload:busy'
    await Promise.all(
      Array.from({ length: 8 }, () =>
        services.database.transaction((tx) => ensureSubject(tx, services, id)),
      ),
    )
    expect(await facts(id)).toMatchObject({ kind: 'workload', isDisabled: false })
  })
})
