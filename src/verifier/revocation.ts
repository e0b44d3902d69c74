import { isJsonObject } from './json.ts'

/** One entry of the feed (CONTRACTS §5). Instants are milliseconds since the epoch by the database's clock. */
export interface Revocation {
  readonly id: string
  readonly kind: 'grant' | 'token' | 'subject' | 'resource'
  readonly target: string
  readonly at: number
  readonly forgetAt: number
}

/** What the stream begins with. */
export interface Snapshot {
  readonly revocations: readonly Revocation[]
  readonly asOf: number
  readonly whenCutOff: WhenCutOff
}

/** What a verifier does that can neither trust its memory nor ask. */
export type WhenCutOff = 'refuse' | 'accept_until_expiry'

/** Undefined for anything that cannot be understood completely: half a revocation is none. */
export function readRevocation(value: unknown): Revocation | undefined {
  if (!isJsonObject(value)) return undefined
  const { id, kind, target } = value
  const at = readInstant(value.at)
  const forgetAt = readInstant(value.forget_at)
  if (typeof id !== 'string' || typeof target !== 'string' || !isKind(kind)) return undefined
  return at === undefined || forgetAt === undefined ? undefined : { id, kind, target, at, forgetAt }
}

export function readSnapshot(value: unknown): Snapshot | undefined {
  if (!isJsonObject(value) || !Array.isArray(value.revocations)) return undefined
  const asOf = readInstant(value.as_of)
  const revocations: Revocation[] = []
  for (const entry of value.revocations) {
    const revocation = readRevocation(entry)
    if (revocation === undefined) return undefined
    revocations.push(revocation)
  }
  // a policy that this version does not know must not loosen anything
  const whenCutOff = value.when_cut_off === 'accept_until_expiry' ? value.when_cut_off : 'refuse'
  return asOf === undefined ? undefined : { revocations, asOf, whenCutOff }
}

/** `at` of a heartbeat, in milliseconds since the epoch. */
export function readHeartbeat(value: unknown): number | undefined {
  return isJsonObject(value) ? readInstant(value.at) : undefined
}

function isKind(value: unknown): value is Revocation['kind'] {
  return value === 'grant' || value === 'token' || value === 'subject' || value === 'resource'
}

function readInstant(value: unknown): number | undefined {
  const instant = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(instant) ? undefined : instant
}
