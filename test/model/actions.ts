import fc from 'fast-check'
import { admin, people, resources, roles, subjects, workload } from './company.ts'

/** What is asked for. Times are seconds from now. */
export interface AskAction {
  readonly who: string
  readonly role: string
  readonly scopes?: readonly string[]
  readonly durationSeconds: number
  readonly justification: string
  readonly ticket?: string
  readonly startsInSeconds?: number
  readonly isBreakGlass: boolean
}

interface OnGrant {
  readonly who: string
  readonly grant: number
}

interface OnRequest {
  readonly who: string
  readonly request: number
}

interface OnSubject {
  readonly who: string
  readonly subject: string
}

/** What each kind of action says. Requests, grants and tokens are named by the order of their making. */
interface Actions {
  readonly ask: AskAction
  readonly preview: AskAction
  readonly review: OnRequest & {
    readonly verdict: 'approve' | 'deny'
    readonly scopes?: readonly string[]
    readonly durationSeconds?: number
    readonly version?: number
  }
  readonly cancel: OnRequest
  readonly comment: OnRequest
  readonly extend: OnGrant & { readonly durationSeconds: number; readonly ticket: string }
  readonly release: OnGrant
  readonly revoke: OnGrant
  readonly suspend: OnGrant
  readonly resume: OnGrant
  readonly mint: OnGrant & { readonly scopes?: readonly string[] }
  readonly introspect: { readonly token: number; readonly resource: string }
  readonly 'revoke-subject': OnSubject
  readonly 'disable-subject': OnSubject
  readonly 'enable-subject': OnSubject
  readonly 'revoke-resource': { readonly who: string; readonly resource: string }
  readonly look: { readonly who: string }
  readonly advance: { readonly seconds: number }
  readonly 'run-jobs': object
  readonly restart: object
}

/** One thing that somebody, or time, does. */
export type Action = {
  readonly [K in keyof Actions]: { readonly kind: K } & Actions[K]
}[keyof Actions]

/** The actions of these kinds. */
export type ActionOf<K extends keyof Actions> = Extract<Action, { readonly kind: K }>

/** How many of each exist when an action is chosen, and what it may need to know of them. */
export interface Existing {
  readonly requests: readonly { readonly subject: string; readonly version: number }[]
  readonly grants: readonly { readonly subject: string }[]
  readonly tokenCount: number
}

/** An action that still has to be told what exists; undefined when there is nothing to do it to. */
export type PlannedAction = (existing: Existing) => Action | undefined

const minute = 60
const hour = 3600

const requesters = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(...people.filter((id) => /^(alice|bob|dana)@/.test(id))),
  },
  { weight: 2, arbitrary: fc.constant(workload) },
  { weight: 1, arbitrary: fc.constantFrom(...subjects) },
)
const reviewers = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(...people.filter((id) => !/^(erin|frank|gus)@/.test(id))),
  },
  { weight: 2, arbitrary: fc.constantFrom(...subjects) },
)
const anyone = fc.constantFrom(...subjects)
const everyScope = [...new Set(Object.values(roles).flatMap(({ scopes }) => scopes))]
const fewScopes = fc.subarray(everyScope, { minLength: 1, maxLength: 3 })
/** Indexes count from the newest, because what is new is where things happen. */
const recent = fc.oneof({ weight: 3, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.nat(30) })

const asked: fc.Arbitrary<AskAction> = fc
  .record({
    who: requesters,
    role: fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(...Object.keys(roles)) },
      { weight: 1, arbitrary: fc.constant('nothing-like-it') },
    ),
    durationSeconds: fc.constantFrom(
      1,
      5 * minute,
      30 * minute,
      hour,
      hour + 1,
      2 * hour,
      4 * hour,
      8 * hour,
      8 * hour + 1,
    ),
    hasAllScopes: fc.boolean(),
    someScopes: fewScopes,
    isVague: fc.constantFrom(false, false, false, false, false, false, true),
    ticket: fc.constantFrom('INC-1', 'INC-2', 'INC-3', 'INC-4', 'CHG-9', undefined),
    startsInSeconds: fc.constantFrom(
      ...Array.from({ length: 12 }, () => undefined),
      0,
      10 * minute,
      hour,
      30 * 24 * hour,
      30 * 24 * hour + 1,
      -1,
    ),
    isBreakGlass: fc.constantFrom(false, false, false, false, true),
  })
  .map(({ hasAllScopes, someScopes, isVague, ticket, startsInSeconds, role, ...rest }) => {
    // mostly the role's own scopes: foreign ones have one answer only
    const own = roles[role]?.scopes.filter((scope) => someScopes.includes(scope)) ?? []
    return {
      ...rest,
      // emergencies exist for one role alone
      role: rest.isBreakGlass && role !== 'reader' ? 'operator' : role,
      justification: isVague ? 'because' : 'void a duplicate invoice',
      ...(hasAllScopes ? {} : { scopes: own.length === 0 ? someScopes : own }),
      ...(ticket === undefined ? {} : { ticket }),
      ...(startsInSeconds === undefined ? {} : { startsInSeconds }),
    }
  })

const asking: fc.Arbitrary<PlannedAction> = asked.map((ask) => () => ({ kind: 'ask', ...ask }))
const previewing: fc.Arbitrary<PlannedAction> = asked.map((ask) => () => ({
  kind: 'preview',
  ...ask,
}))

const reviewing: fc.Arbitrary<PlannedAction> = fc
  .record({
    who: reviewers,
    back: recent,
    verdict: fc.constantFrom('approve', 'approve', 'approve', 'approve', 'deny'),
    narrows: fc.constantFrom('nothing', 'nothing', 'nothing', 'scopes', 'time', 'both'),
    scopes: fewScopes,
    durationSeconds: fc.constantFrom(minute, 10 * minute, 30 * minute, hour, 3 * hour),
    versionDistance: fc.constantFrom(undefined, undefined, undefined, 0, 0, 1),
  } as const)
  .map(
    ({ who, back, verdict, narrows, scopes, durationSeconds, versionDistance }) =>
      (existing) => {
        const request = nth(existing.requests.length, back)
        const found = request === undefined ? undefined : existing.requests[request]
        if (request === undefined || found === undefined) return undefined
        const isNarrowing = (part: 'scopes' | 'time') =>
          verdict === 'approve' && (narrows === part || narrows === 'both')
        return {
          kind: 'review',
          who,
          request,
          verdict,
          ...(isNarrowing('scopes') ? { scopes } : {}),
          ...(isNarrowing('time') ? { durationSeconds } : {}),
          ...(versionDistance === undefined ? {} : { version: found.version + versionDistance }),
        }
      },
  )

/** The one it belongs to three times of four, else anybody. */
const whose = fc.record({ isOwn: fc.constantFrom(true, true, true, false), other: anyone })

const aboutRequest = (kinds: readonly ('cancel' | 'comment')[]): fc.Arbitrary<PlannedAction> =>
  fc
    .record({ kind: fc.constantFrom(...kinds), back: recent, who: whose })
    .map(({ kind, back, who }) => ({ requests }) => {
      const request = nth(requests.length, back)
      const found = request === undefined ? undefined : requests[request]
      if (request === undefined || found === undefined) return undefined
      return { kind, who: who.isOwn ? found.subject : who.other, request }
    })

const extending: fc.Arbitrary<PlannedAction> = fc
  .record({
    back: recent,
    who: whose,
    durationSeconds: fc.constantFrom(minute, 20 * minute, hour, 4 * hour),
    ticket: fc.constantFrom('INC-1', 'INC-2', 'CHG-9'),
  })
  .map(({ back, who, ...rest }) => (existing) => {
    const at = holder(existing, back, who)
    return at === undefined ? undefined : { kind: 'extend', ...at, ...rest }
  })

const releasing: fc.Arbitrary<PlannedAction> = fc
  .record({ back: recent, who: whose })
  .map(({ back, who }) => (existing) => {
    const at = holder(existing, back, who)
    return at === undefined ? undefined : { kind: 'release', ...at }
  })

const stopping: fc.Arbitrary<PlannedAction> = fc
  .record({
    kind: fc.constantFrom('revoke', 'suspend', 'suspend', 'resume', 'resume', 'resume'),
    back: recent,
    who: fc.oneof(anyone, fc.constantFrom(admin, ...people.filter((id) => /^(erin|bob)/.test(id)))),
  } as const)
  .map(({ kind, back, who }) => ({ grants }) => {
    const grant = nth(grants.length, back)
    return grant === undefined ? undefined : { kind, who, grant }
  })

const minting: fc.Arbitrary<PlannedAction> = fc
  .record({
    back: recent,
    who: whose,
    scopes: fc.option(fewScopes, { nil: undefined, freq: 2 }),
  })
  .map(({ back, who, scopes }) => (existing) => {
    const at = holder(existing, back, who)
    if (at === undefined) return undefined
    return { kind: 'mint', ...at, ...(scopes === undefined ? {} : { scopes }) }
  })

const introspecting: fc.Arbitrary<PlannedAction> = fc
  .record({ back: recent, resource: fc.constantFrom(...resources) })
  .map(({ back, resource }) => ({ tokenCount }) => {
    const token = nth(tokenCount, back)
    return token === undefined ? undefined : { kind: 'introspect', token, resource }
  })

const governing: fc.Arbitrary<PlannedAction> = fc
  .record({
    kind: fc.constantFrom('revoke-subject', 'disable-subject', 'enable-subject', 'enable-subject'),
    who: fc.oneof({ weight: 4, arbitrary: fc.constant(admin) }, { weight: 1, arbitrary: anyone }),
    // the admin stays, or nobody could look at everything
    other: fc.constantFrom(...subjects.filter((id) => id !== admin)),
    isHolder: fc.boolean(),
    back: recent,
  } as const)
  .map(({ kind, who, other, isHolder, back }) => (existing) => {
    const at = isHolder ? holder(existing, back, { isOwn: true, other }) : undefined
    return { kind, who, subject: at?.who ?? other }
  })

const revokingResource: fc.Arbitrary<PlannedAction> = fc
  .record({
    kind: fc.constant('revoke-resource' as const),
    who: fc.oneof(fc.constant(admin), anyone),
    resource: fc.constantFrom(...resources),
  })
  .map((action) => () => action)

const looking: fc.Arbitrary<PlannedAction> = anyone.map((who) => () => ({ kind: 'look', who }))

const advancing: fc.Arbitrary<PlannedAction> = fc
  .constantFrom(0.25, 1, 30, 2 * minute, 10 * minute, 25 * minute, hour, 2 * hour, 25 * hour)
  .map((seconds) => () => ({ kind: 'advance', seconds }))

const runningJobs: fc.Arbitrary<PlannedAction> = fc.constant(() => ({ kind: 'run-jobs' }))
const restarting: fc.Arbitrary<PlannedAction> = fc.constant(() => ({ kind: 'restart' }))

const weighted: readonly (readonly [number, fc.Arbitrary<PlannedAction>])[] = [
  [9, asking],
  [1, previewing],
  [10, reviewing],
  [2, aboutRequest(['cancel', 'comment'])],
  [3, extending],
  [1, releasing],
  [4, stopping],
  [4, minting],
  [2, introspecting],
  [2, governing],
  [1, revokingResource],
  [1, looking],
  [3, advancing],
  [2, runningJobs],
]

/** Every kind of action, as often in the list as it should be chosen. */
export function plannedActions(options: {
  readonly withRestarts: boolean
}): readonly fc.Arbitrary<PlannedAction>[] {
  const often = weighted.flatMap(([count, action]) => Array.from({ length: count }, () => action))
  return options.withRestarts ? [...often, restarting] : often
}

function nth(count: number, back: number): number | undefined {
  return count === 0 ? undefined : count - 1 - (back % count)
}

function holder(
  { grants }: Existing,
  back: number,
  who: { readonly isOwn: boolean; readonly other: string },
): { readonly who: string; readonly grant: number } | undefined {
  const grant = nth(grants.length, back)
  const found = grant === undefined ? undefined : grants[grant]
  if (grant === undefined || found === undefined) return undefined
  return { grant, who: who.isOwn ? found.subject : who.other }
}
