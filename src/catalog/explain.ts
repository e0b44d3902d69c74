import type { Reason } from '../errors.ts'
import type { Catalog, MemberReference, Policy, Seat } from './catalog.ts'
import { decide } from './decide.ts'
import type { Ask, PolicyTrail, SubjectFacts } from './decision.ts'
import { claimsIn, groupsOf, isOnRequestersSide, peopleOf } from './membership.ts'

/** An ask of which the words may be left open: what is not given is taken to be good. */
export type OpenAsk = Omit<Ask, 'justification' | 'ticket'> & {
  readonly justification: string | undefined
  readonly ticket: string | undefined
}

/** Why policy answers as it does. */
export interface Explanation {
  readonly decision: 'allow' | 'review' | 'deny'
  /** The policy that matched, also when its limits refuse. */
  readonly policy: string | null
  readonly role: string
  readonly subject: string
  readonly groups: readonly string[]
  readonly scopes: readonly string[]
  readonly catalogVersion: number
  readonly reasons: readonly Reason[]
  /** What became of every policy in file order; those after the match were not reached. */
  readonly policies: readonly {
    readonly policy: string
    readonly outcome: PolicyTrail['outcome'] | 'not_reached'
    readonly message: string
  }[]
  /** The limits of the policy that matched. */
  readonly limits: {
    readonly maxDurationSeconds: number
    readonly justificationMinLength: number
    readonly ticketPattern: string | null
  } | null
  readonly seats: readonly ExplainedSeat[]
}

interface ExplainedSeat {
  /** As the catalog writes it: `payments-leads`, `claim:okta-oncall`, `sam@example.com`. */
  readonly from: readonly string[]
  readonly count: number
  /** The people of the catalog who could fill it for this requester. */
  readonly couldFill: readonly string[]
  /** Holders of these groups of the identity provider could too. */
  readonly orHoldersOf: readonly string[]
}

/** Explains what `decide` says to this ask: the policy, why not the ones before it, the seats and who could fill them. */
export function explain(
  catalog: Catalog,
  subject: SubjectFacts,
  ask: OpenAsk,
  now: Date,
): Explanation {
  const { justification = '', ticket } = ask
  const decision = decide(relaxed(catalog, ask), subject, { ...ask, justification, ticket }, now)
  const policy = catalog.policies.find(({ name }) => name === decision.policy?.name)
  const reached = decision.trail
  const rest = catalog.policies.slice(reached.length).map(({ name }) => ({
    policy: name,
    outcome: 'not_reached' as const,
    message: 'a policy before it decided',
  }))
  return {
    decision: decision.outcome,
    policy: policy?.name ?? null,
    role: ask.role,
    subject: subject.id,
    groups: groupsOf(catalog, subject),
    scopes: decision.scopes,
    catalogVersion: catalog.version,
    reasons: decision.reasons,
    policies: decision.role === undefined ? [] : [...reached, ...rest],
    limits: policy === undefined ? null : limitsOf(policy),
    seats: (policy?.approval ?? []).map((seat) => explainSeat(catalog, subject, seat)),
  }
}

/** The same rules, without the limits on words that were left open. */
function relaxed(catalog: Catalog, ask: OpenAsk): Catalog {
  if (ask.justification !== undefined && ask.ticket !== undefined) return catalog
  return {
    ...catalog,
    policies: catalog.policies.map((policy) => ({
      ...policy,
      justification: {
        minLength: ask.justification === undefined ? 0 : policy.justification.minLength,
        ticket: ask.ticket === undefined ? undefined : policy.justification.ticket,
      },
    })),
  }
}

function limitsOf(policy: Policy): NonNullable<Explanation['limits']> {
  return {
    maxDurationSeconds: policy.maxDurationSeconds,
    justificationMinLength: policy.justification.minLength,
    ticketPattern: policy.justification.ticket?.source ?? null,
  }
}

function explainSeat(catalog: Catalog, subject: SubjectFacts, seat: Seat): ExplainedSeat {
  const couldFill = peopleOf(catalog, seat.from).filter(
    (id) => !isOnRequestersSide(catalog, subject.id, { id, kind: 'person', claimGroups: [] }),
  )
  return {
    from: seat.from.map(referenceText),
    count: seat.count,
    couldFill,
    orHoldersOf: claimsIn(catalog, seat.from),
  }
}

function referenceText(reference: MemberReference): string {
  if (reference.kind === 'person') return reference.id
  return reference.kind === 'group' ? reference.name : `${reference.kind}:${reference.name}`
}
