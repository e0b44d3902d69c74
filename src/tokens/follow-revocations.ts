import { createHash } from 'node:crypto'
import { catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { HallpassError } from '../errors.ts'
import type { LiveRevocation } from './live-revocations.ts'
import type { FeedSubscriber, RevocationFeed } from './revocation-feed.ts'

/** What a resource's verifiers are told first. */
export interface RevocationSnapshot {
  readonly revocations: readonly LiveRevocation[]
  /** A time of the database: every revocation that committed before it is in the list. */
  readonly asOf: Date
  /** What a verifier that lost the broker does, as the catalog says. */
  readonly whenCutOff: 'refuse' | 'accept_until_expiry'
}

/**
 * The live set that concerns the actor's resource. Throws `not_permitted` for any other actor, and
 * `cannot_decide` while this replica's own feed is stale: an old list would pass for a complete one.
 */
export async function readRevocationSnapshot(
  ctx: OperationContext,
  feed: RevocationFeed,
): Promise<RevocationSnapshot> {
  const resource = resourceOf(ctx)
  const catalog = await ctx.database.read(catalogInForce)
  const whenCutOff = catalog.resources.get(resource)?.whenCutOff ?? 'refuse'
  if (!feed.isFresh()) throw staleFeed()
  // whoever asks measures from their question on: the answer must not be older
  await feed.refresh().catch(() => {
    throw staleFeed()
  })
  const snapshot = feed.snapshot(resource)
  if (snapshot === undefined) throw staleFeed()
  return { ...snapshot, whenCutOff }
}

/** Changes exactly when the set of revocations does: a strong validator (RFC 9110 §8.8.3). */
export function revisionOf({ revocations }: Pick<RevocationSnapshot, 'revocations'>): string {
  const ids = revocations.map(({ id }) => id).sort()
  return createHash('sha256').update(ids.join(' ')).digest('base64url')
}

/**
 * Tells what happens from now on, to the actor's resource alone. Returns the snapshot to begin with, taken in
 * the same turn as the subscription, so that nothing falls between.
 */
export async function followRevocations(
  ctx: OperationContext,
  feed: RevocationFeed,
  subscriber: FeedSubscriber,
): Promise<{ readonly snapshot: RevocationSnapshot; readonly unsubscribe: () => void }> {
  const resource = resourceOf(ctx)
  const { whenCutOff } = await readRevocationSnapshot(ctx, feed)
  const snapshot = feed.snapshot(resource)
  if (snapshot === undefined) throw staleFeed()
  const unsubscribe = feed.subscribe({
    ...subscriber,
    onRevoked: (revocations) => {
      const concerning = revocations.filter(
        (revocation) => revocation.resource === null || revocation.resource === resource,
      )
      if (concerning.length > 0) subscriber.onRevoked(concerning)
    },
  })
  return { snapshot: { ...snapshot, whenCutOff }, unsubscribe }
}

function resourceOf(ctx: OperationContext): string {
  if (ctx.actor.kind === 'resource') return ctx.actor.id
  throw new HallpassError(
    'not_permitted',
    'Only a resource may follow revocations: send its own credential as HTTP Basic.',
  )
}

function staleFeed(): HallpassError {
  return new HallpassError(
    'cannot_decide',
    'This replica does not know the latest revocations right now. Ask again in a moment, or another replica.',
  )
}
