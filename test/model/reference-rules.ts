import {
  humanBehind,
  isOnSideOf,
  owns,
  type PlainPolicy,
  policies,
  roles,
  subjects,
  workload,
} from './company.ts'

/*
 * The contract's rules over plain values, as slow and as plain as they can be. Nothing here may come from src/.
 */

export interface PlainSeat {
  readonly from: readonly string[]
  readonly members: readonly string[]
  readonly count: number
}

/** Who could sit where: one entry a human, with the indexes of seats. */
export interface Sitter {
  readonly human: string
  readonly seats: readonly number[]
}

/** The largest number of seats that these people can fill, each at most one: by trying everything. */
export function mostFilled(seats: readonly PlainSeat[], sitters: readonly Sitter[]): number {
  const free = seats.map(({ count }) => count)
  const from = (index: number): number => {
    const sitter = sitters[index]
    if (sitter === undefined) return 0
    let best = from(index + 1)
    for (const seat of sitter.seats) {
      const left = free[seat] ?? 0
      if (left === 0) continue
      free[seat] = left - 1
      best = Math.max(best, 1 + from(index + 1))
      free[seat] = left
    }
    return best
  }
  return from(0)
}

export function seatTotal(seats: readonly PlainSeat[]): number {
  return seats.reduce((sum, { count }) => sum + count, 0)
}

export function seatsFitting(seats: readonly PlainSeat[], account: string): readonly number[] {
  return seats.flatMap(({ members }, index) => (members.includes(account) ? [index] : []))
}

/** What the first matching policy says to an ask. */
export interface Verdict {
  readonly outcome: 'allow' | 'review' | 'not_eligible' | 'outside_policy'
  readonly policy: PlainPolicy | undefined
  readonly scopes: readonly string[]
}

export interface PlainAsk {
  readonly subject: string
  readonly role: string
  readonly scopes: readonly string[] | undefined
  readonly durationSeconds: number
  readonly justification: string
  readonly ticket: string | undefined
  readonly isBreakGlass: boolean
}

/** The first policy that matches by role, requester and `when` decides alone. */
export function judgeAsk(ask: PlainAsk): Verdict {
  const role = roles[ask.role]
  const policy = policies.find(
    (candidate) =>
      candidate.role === ask.role &&
      candidate.isBreakGlass === ask.isBreakGlass &&
      candidate.requesters.includes(ask.subject) &&
      (candidate.matchesUpToSeconds === undefined ||
        (ask.subject !== workload && ask.durationSeconds <= candidate.matchesUpToSeconds)),
  )
  if (role === undefined || policy === undefined) {
    return { outcome: 'not_eligible', policy: undefined, scopes: [] }
  }
  const scopes = role.scopes.filter((scope) => ask.scopes?.includes(scope) ?? true)
  const isOutside =
    (ask.scopes ?? []).some((scope) => !role.scopes.includes(scope)) ||
    ask.durationSeconds > policy.maxSeconds ||
    (policy.isTicketNeeded &&
      (ask.justification.length < 10 || !/^INC-\d+$/.test(ask.ticket ?? '')))
  if (isOutside) return { outcome: 'outside_policy', policy, scopes: [] }
  const { automatic } = policy
  const isAutomatic =
    automatic?.for.includes(ask.subject) === true && ask.durationSeconds <= automatic.upToSeconds
  const isAllowed = policy.isBreakGlass || policy.seats.length === 0 || isAutomatic
  return { outcome: isAllowed ? 'allow' : 'review', policy, scopes }
}

export function policyOf(name: string): PlainPolicy {
  const policy = policies.find((candidate) => candidate.name === name)
  if (policy === undefined) throw new Error(`no policy ${name}`)
  return policy
}

/** Whether distinct people, none on the requester's side, could fill every seat. */
export function canAllBeFilled(
  seats: readonly PlainSeat[],
  requester: string,
  disabled: ReadonlySet<string>,
): boolean {
  const humans = new Map<string, Set<number>>()
  for (const account of subjects) {
    if (disabled.has(account) || isOnSideOf(requester, account)) continue
    const known = humans.get(humanBehind(account)) ?? new Set()
    for (const seat of seatsFitting(seats, account)) known.add(seat)
    humans.set(humanBehind(account), known)
  }
  const sitters = [...humans]
    .map(([human, seated]) => ({ human, seats: [...seated] }))
    .filter((sitter) => sitter.seats.length > 0)
  return mostFilled(seats, sitters) === seatTotal(seats)
}

/** Whether an account is among the reviewers of a policy, as the catalog has it. */
export function isReviewerOf(policyName: string, account: string): boolean {
  return policyOf(policyName).seats.some(({ members }) => members.includes(account))
}

/** What CONTRACTS §2 lets somebody do with a grant. */
export function grantRights(
  grant: { readonly subject: string; readonly resource: string; readonly policy: string },
  account: string,
  admin: string,
) {
  const governs = account === admin || owns(account, grant.resource)
  const mayEnd = governs || isReviewerOf(grant.policy, account)
  const isHoldersHuman = humanBehind(account) === humanBehind(grant.subject)
  return {
    maySee: isHoldersHuman || mayEnd,
    isHolder: account === grant.subject,
    mayEnd,
    mayResume: governs && !isHoldersHuman,
  }
}
