import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { createUseRecorder, reportUnusedPermissions } from '../../src/usage/index.ts'
import { useTestServices } from '../support/context.ts'
import { openGrant, prepare } from '../tokens/grants.ts'

const test = await useTestServices({ startAt: new Date('2026-03-02T09:00:00.000Z') })
const { database } = test.services
const hour = 3600

beforeAll(() => prepare(test))

interface Use {
  readonly grant: number
  readonly scope: string | undefined
  readonly minute: number
}

const scopesOf = ['invoices:read', 'invoices:write']
const uses: fc.Arbitrary<readonly Use[]> = fc.array(
  fc.record({
    grant: fc.nat(3),
    scope: fc.option(fc.constantFrom(...scopesOf), { nil: undefined }),
    minute: fc.integer({ min: 1, max: 59 }),
  }),
  { maxLength: 12 },
)

/** Each use delivered once, twice or three times, in any order, cut into batches of any size to two replicas. */
const deliveries = uses.chain((all) =>
  fc.record({
    all: fc.constant(all),
    order: fc
      .array(fc.integer({ min: 1, max: 3 }), { minLength: all.length, maxLength: all.length })
      .chain((times) => {
        const copies = all.flatMap((use, index) => Array<Use>(times[index] ?? 1).fill(use))
        return fc.shuffledSubarray(copies, { minLength: copies.length })
      }),
    batchSize: fc.integer({ min: 1, max: 5 }),
  }),
)

async function deliver(order: readonly Use[], batchSize: number, grantIds: readonly string[]) {
  const start = test.clock.now().getTime()
  const batches: Use[][] = []
  for (let at = 0; at < order.length; at += batchSize) batches.push(order.slice(at, at + batchSize))
  await Promise.all(
    [0, 1].map(async (replica) => {
      for (const batch of batches.filter((_, index) => index % 2 === replica)) {
        const recorder = createUseRecorder(test.services)
        for (const { grant, scope, minute } of batch) {
          const grantId = grantIds[grant] ?? ''
          const at = new Date(start + minute * 60_000)
          recorder.observer.observeMint({ grantId, at })
          recorder.observer.observeUse({ grantId, scope, at })
        }
        await recorder.stop()
      }
    }),
  )
}

it('tells what the uses themselves tell, in whatever order, batches and number of copies they came', async () => {
  await fc.assert(
    fc.asyncProperty(deliveries, async ({ all, order, batchSize }) => {
      test.clock.advance(400 * 24 * hour)
      await database.read((db) => db.execute('delete from resource_evidence'))
      const subjects = [0, 1, 2, 3].map((n) => `person-${n}@example.com`)
      const grantIds = await Promise.all(subjects.map((subject) => openGrant(test, { subject })))
      const start = test.clock.now().getTime()
      await deliver(order, batchSize, grantIds)
      test.clock.advance(2 * hour)
      const { items } = await reportUnusedPermissions(test.asOperator())
      const told = items.map(({ subject, status, usedScopes, unusedScopes, lastUsedAt }) => ({
        subject,
        status,
        usedScopes,
        unusedScopes,
        lastUsedAt,
      }))
      expect(told).toEqual(
        subjects.map((subject, grant) => {
          const own = all.filter((use) => use.grant === grant)
          const named = scopesOf.filter((scope) => own.some((use) => use.scope === scope))
          const isKnown = named.length > 0 || (own.length === 0 && all.length > 0)
          const unused = isKnown ? scopesOf.filter((scope) => !named.includes(scope)) : []
          const last = Math.max(...own.map(({ minute }) => minute))
          return {
            subject,
            status: ['used', 'partly_used', isKnown ? 'unused' : 'no_data'][2 - named.length],
            usedScopes: named,
            unusedScopes: unused,
            lastUsedAt: own.length === 0 ? null : new Date(start + last * 60_000),
          }
        }),
      )
    }),
    { numRuns: 40 },
  )
})
