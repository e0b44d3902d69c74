/**
 * A company with everything that makes reviewing hard: a second account of Alice among the payments leads and one of
 * Bob in security, nested groups, seats that overlap, a workload whose owner is a reviewer too, a policy that hands
 * over to another with other seats when it takes longer, an emergency, a policy that approves by itself. Gus is nobody.
 */
export const companyText = `
version: 1
people:
  alice@example.com: [alice.admin@example.com]
  bob@example.com: [bob.admin@example.com]
groups:
  engineering: [alice@example.com, dana@example.com, bob@example.com]
  payments-leads: [bob@example.com, carol@example.com, alice.admin@example.com]
  security: [sam@example.com, bob.admin@example.com]
  reviewers: [group:payments-leads]
  oncall: [dana@example.com]
  bot-owners: [carol@example.com]
  billing-owners: [erin@example.com]
  ledger-owners: [bob@example.com, bob.admin@example.com]
  administrators: [frank@example.com]
  guests: [gus@example.com]
admins: [administrators]
workloads:
  invoice-bot: { owner: bot-owners }
resources:
  billing-api:
    title: Billing API
    audience: https://billing.example.com
    owner: billing-owners
    sensitivity: high
    scopes: { invoices:read: Read, invoices:write: Write, payouts:write: Pay }
  ledger-api:
    title: Ledger API
    audience: https://ledger.example.com
    owner: ledger-owners
    sensitivity: low
    scopes: { entries:read: Read, entries:write: Write }
roles:
  reader: { resource: billing-api, scopes: [invoices:read] }
  operator: { resource: billing-api, scopes: [invoices:read, invoices:write] }
  payer: { resource: billing-api, scopes: [invoices:read, payouts:write] }
  auditor: { resource: ledger-api, scopes: [entries:read] }
  vault: { resource: ledger-api, scopes: [entries:read, entries:write] }
  solo: { resource: ledger-api, scopes: [entries:read] }
policies:
  - name: read
    roles: [reader]
    requesters: [engineering, 'workload:invoice-bot']
    max_duration: 8h
    approval: none
  - name: operate
    roles: [operator]
    requesters: [engineering, 'workload:invoice-bot']
    max_duration: 4h
    token_lifetime: 5m
    answer_within: 2h
    justification: { min_length: 10, ticket: '^INC-[0-9]+$' }
    auto_approve: '"oncall" in subject.groups && request.duration <= duration("30m")'
    approval: [{ from: [reviewers], count: 1 }]
  - name: pay
    roles: [payer]
    requesters: [engineering]
    max_duration: 2h
    token_lifetime: 2m
    when: 'subject.kind == "person" && request.duration <= duration("1h")'
    approval:
      - { from: [payments-leads], count: 1 }
      - { from: [security], count: 1 }
  - name: pay-long
    roles: [payer]
    requesters: [engineering]
    max_duration: 2h
    approval: [{ from: [security], count: 2 }]
  - name: emergency
    roles: [operator]
    requesters: [engineering]
    max_duration: 30m
    break_glass: { review_within: 24h }
    approval: [{ from: [security], count: 1 }]
  - name: audit
    roles: [auditor]
    requesters: [engineering]
    max_duration: 2h
    approval:
      - { from: [reviewers, security], count: 1 }
      - { from: [payments-leads], count: 1 }
  - name: vault
    roles: [vault]
    requesters: [engineering]
    max_duration: 2h
    approve_in: browser
    approval: [{ from: [security], count: 1 }]
  - name: solo
    roles: [solo]
    requesters: [engineering, guests, 'workload:invoice-bot']
    max_duration: 1h
    approval: [{ from: [carol@example.com], count: 1 }]
`

export const workload = 'workload:invoice-bot'

const person = (name: string) => `${name}@example.com`

const alice = person('alice')
const aliceAdmin = person('alice.admin')
const bob = person('bob')
const bobAdmin = person('bob.admin')
const carol = person('carol')
const dana = person('dana')
const sam = person('sam')
const erin = person('erin')
export const admin = person('frank')
const gus = person('gus')

export const people = [
  alice,
  aliceAdmin,
  bob,
  bobAdmin,
  carol,
  dana,
  sam,
  erin,
  admin,
  gus,
] as const
export const subjects: readonly string[] = [...people, workload]

const engineering = [alice, dana, bob]
const paymentsLeads = [bob, carol, aliceAdmin]
const security = [sam, bobAdmin]

export interface PlainPolicy {
  readonly name: string
  readonly role: string
  readonly requesters: readonly string[]
  readonly maxSeconds: number
  /** Set where `when` lets a request through only up to this long. */
  readonly matchesUpToSeconds?: number
  readonly answerWithinSeconds: number
  readonly tokenSeconds: number
  readonly isTicketNeeded: boolean
  readonly isBrowserNeeded: boolean
  readonly isBreakGlass: boolean
  /** Who gets it without review, up to how long. */
  readonly automatic?: { readonly for: readonly string[]; readonly upToSeconds: number }
  readonly seats: readonly {
    readonly from: readonly string[]
    readonly members: readonly string[]
    readonly count: number
  }[]
}

const minute = 60
const hour = 3600

const defaults = {
  answerWithinSeconds: 24 * hour,
  tokenSeconds: 10 * minute,
  isTicketNeeded: false,
  isBrowserNeeded: false,
  isBreakGlass: false,
}

/** The policies again, written out by hand: who is who, without groups, CEL or durations to read. */
export const policies: readonly PlainPolicy[] = [
  {
    ...defaults,
    name: 'read',
    role: 'reader',
    requesters: [...engineering, workload],
    maxSeconds: 8 * hour,
    seats: [],
  },
  {
    ...defaults,
    name: 'operate',
    role: 'operator',
    requesters: [...engineering, workload],
    maxSeconds: 4 * hour,
    tokenSeconds: 5 * minute,
    answerWithinSeconds: 2 * hour,
    isTicketNeeded: true,
    automatic: { for: [dana], upToSeconds: 30 * minute },
    seats: [{ from: ['reviewers'], members: paymentsLeads, count: 1 }],
  },
  {
    ...defaults,
    name: 'pay',
    role: 'payer',
    requesters: engineering,
    maxSeconds: 2 * hour,
    matchesUpToSeconds: hour,
    tokenSeconds: 2 * minute,
    seats: [
      { from: ['payments-leads'], members: paymentsLeads, count: 1 },
      { from: ['security'], members: security, count: 1 },
    ],
  },
  {
    ...defaults,
    name: 'pay-long',
    role: 'payer',
    requesters: engineering,
    maxSeconds: 2 * hour,
    seats: [{ from: ['security'], members: security, count: 2 }],
  },
  {
    ...defaults,
    name: 'emergency',
    role: 'operator',
    requesters: engineering,
    maxSeconds: 30 * minute,
    isBreakGlass: true,
    seats: [{ from: ['security'], members: security, count: 1 }],
  },
  {
    ...defaults,
    name: 'audit',
    role: 'auditor',
    requesters: engineering,
    maxSeconds: 2 * hour,
    seats: [
      { from: ['reviewers', 'security'], members: [...paymentsLeads, ...security], count: 1 },
      { from: ['payments-leads'], members: paymentsLeads, count: 1 },
    ],
  },
  {
    ...defaults,
    name: 'vault',
    role: 'vault',
    requesters: engineering,
    maxSeconds: 2 * hour,
    isBrowserNeeded: true,
    seats: [{ from: ['security'], members: security, count: 1 }],
  },
  {
    ...defaults,
    name: 'solo',
    role: 'solo',
    requesters: [...engineering, gus, workload],
    maxSeconds: hour,
    seats: [{ from: [carol], members: [carol], count: 1 }],
  },
]

export interface PlainRole {
  readonly resource: string
  readonly scopes: readonly string[]
}

export const roles: Readonly<Record<string, PlainRole>> = {
  reader: { resource: 'billing-api', scopes: ['invoices:read'] },
  operator: { resource: 'billing-api', scopes: ['invoices:read', 'invoices:write'] },
  payer: { resource: 'billing-api', scopes: ['invoices:read', 'payouts:write'] },
  auditor: { resource: 'ledger-api', scopes: ['entries:read'] },
  vault: { resource: 'ledger-api', scopes: ['entries:read', 'entries:write'] },
  solo: { resource: 'ledger-api', scopes: ['entries:read'] },
}

export const audiences: Readonly<Record<string, string>> = {
  'billing-api': 'https://billing.example.com',
  'ledger-api': 'https://ledger.example.com',
}
export const resources = Object.keys(audiences)

const owners: Readonly<Record<string, readonly string[]>> = {
  'billing-api': [erin],
  'ledger-api': [bob, bobAdmin],
}

export function owns(account: string, resource: string): boolean {
  return owners[resource]?.includes(account) === true
}

/** The human behind an account; two accounts of one human are one person. */
export function humanBehind(account: string): string {
  if (account === aliceAdmin) return alice
  return account === bobAdmin ? bob : account
}

export function accountsOfHuman(account: string): readonly string[] {
  return subjects.filter((other) => humanBehind(other) === humanBehind(account))
}

/** Who may not review for this subject, whatever seats say. */
export function isOnSideOf(requester: string, account: string): boolean {
  if (humanBehind(requester) === humanBehind(account)) return true
  return requester === workload && humanBehind(account) === carol
}

/** Carol's group owns the workload. */
export const workloadOwner = carol
