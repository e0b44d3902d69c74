import { isScalar } from 'yaml'
import type { Condition, Pattern, Policy } from './catalog.ts'
import { compileCondition } from './condition.ts'
import type { Findings, Place } from './finding.ts'
import { compilePattern } from './pattern.ts'
import { type Approval, readSeating, type Seating } from './read-approval.ts'
import { checkName, known, type Names } from './read-references.ts'
import {
  ifPresent,
  type Mapping,
  optional,
  quote,
  readBoolean,
  readChoice,
  readDuration,
  readInteger,
  readList,
  readMapping,
  readText,
  required,
} from './read-values.ts'
import type { Value } from './yaml-source.ts'

const policyKeys = [
  'name',
  'roles',
  'requesters',
  'max_duration',
  'default_duration',
  'token_lifetime',
  'answer_within',
  'justification',
  'when',
  'auto_approve',
  'approve_in',
  'slack_channel',
  'approval',
  'break_glass',
  'proof',
  'device_flow',
  'shrink',
] as const

/** A policy and where it stands. */
export interface PlacedPolicy {
  readonly policy: Policy
  readonly place: Place
}

/** Policies in file order, one with a fault left out; and who is to review whom under every one of them. */
export interface PolicySection {
  readonly policies: readonly PlacedPolicy[]
  readonly seatings: readonly Seating[]
}

export function readPolicies(findings: Findings, names: Names, section: Value): PolicySection {
  const policies: PlacedPolicy[] = []
  const seatings: Seating[] = []
  const taken = new Set<string>()
  for (const item of readList(findings, section, 0) ?? []) {
    const mapping = readMapping(findings, item, policyKeys)
    if (mapping === undefined) continue
    const name = readPolicyName(findings, mapping, taken)
    const place = mapping.entries.get('name')?.value ?? mapping.place
    const seating = readSeating(findings, names, mapping, place)
    seatings.push(seating)
    const policy = readPolicy(findings, names, mapping, name, seating)
    if (policy !== undefined) policies.push({ policy, place })
  }
  return { policies, seatings }
}

function readPolicyName(
  findings: Findings,
  mapping: Mapping,
  taken: Set<string>,
): string | undefined {
  const value = required(findings, mapping, 'name')
  const name = value && readText(findings, value)
  if (value === undefined || name === undefined) return undefined
  if (taken.has(name)) {
    findings.fault(
      value,
      'duplicate_name',
      `Another policy is called ${quote(name)}. Give each its own name.`,
    )
  }
  taken.add(name)
  return checkName(findings, value, name) ? name : undefined
}

function readPolicy(
  findings: Findings,
  names: Names,
  mapping: Mapping,
  name: string | undefined,
  { requesters, approval }: Seating,
): Policy | undefined {
  const before = findings.faults.length
  const roles = readRoleNames(findings, names, mapping)
  const durations = readDurations(findings, mapping)
  const justification = readJustification(findings, optional(mapping, 'justification'))
  const breakGlass = readBreakGlass(findings, mapping)
  const conditions = {
    when: readCondition(findings, optional(mapping, 'when')),
    autoApprove: readCondition(findings, optional(mapping, 'auto_approve')),
  }
  checkReviewless(findings, mapping, approval)
  const needsNoReview = approval.isNone || breakGlass !== undefined
  const choices = readChoices(findings, mapping, needsNoReview ? 'refuse' : 'allow')
  if (findings.faults.length > before || !approval.isWhole) return undefined
  if (name === undefined || roles === undefined) return undefined
  if (requesters === undefined || durations === undefined) return undefined
  return {
    name,
    roles,
    requesters,
    ...durations,
    justification,
    ...conditions,
    approval: approval.seats.map(({ seat }) => seat),
    breakGlass,
    ...choices,
  }
}

/** What a policy says about reviews must make sense when none comes first. */
function checkReviewless(findings: Findings, mapping: Mapping, approval: Approval): void {
  const isBreakGlass = mapping.entries.has('break_glass')
  if (isBreakGlass && approval.isNone) {
    findings.fault(
      approval.place,
      'bad_value',
      'A break-glass policy needs reviewers: `approval` says who reviews the use afterwards.',
    )
  }
  const autoApprove = optional(mapping, 'auto_approve')
  if (autoApprove !== undefined && (isBreakGlass || approval.isNone)) {
    findings.warn(
      autoApprove,
      'condition_never_used',
      'No review comes first under this policy, so auto_approve never counts.',
    )
  }
}

function readRoleNames(
  findings: Findings,
  names: Names,
  mapping: Mapping,
): readonly string[] | undefined {
  const value = required(findings, mapping, 'roles')
  const items = value && readList(findings, value)
  const roles = new Set<string>()
  for (const item of items ?? []) {
    const role = readText(findings, item)
    if (role === undefined) continue
    if (roles.has(role)) findings.warn(item, 'listed_twice', 'This stands in the list twice.')
    if (!names.roles.has(role)) {
      findings.fault(item, 'unknown_role', `There is no role ${quote(role)}.${known(names.roles)}`)
    }
    roles.add(role)
  }
  return roles.size === 0 ? undefined : [...roles]
}

function readDurations(findings: Findings, mapping: Mapping) {
  const read = (key: string, min: string, max: string): number | undefined =>
    ifPresent(optional(mapping, key), (value) => readDuration(findings, value, { min, max }))
  required(findings, mapping, 'max_duration')
  const maxDurationSeconds = read('max_duration', '1s', '30d')
  const defaultDuration = read('default_duration', '1s', '30d')
  const tokenLifetime = read('token_lifetime', '30s', '1h')
  const answerWithin = read('answer_within', '1s', '30d')
  if (maxDurationSeconds === undefined) return undefined
  const place = optional(mapping, 'default_duration')
  if (place !== undefined && (defaultDuration ?? 0) > maxDurationSeconds) {
    findings.fault(place, 'bad_duration', 'default_duration is longer than max_duration.')
  }
  return {
    maxDurationSeconds,
    defaultDurationSeconds: defaultDuration ?? Math.min(3_600, maxDurationSeconds),
    tokenLifetimeSeconds: tokenLifetime ?? 600,
    answerWithinSeconds: answerWithin ?? 86_400,
  }
}

function readJustification(findings: Findings, value: Value | undefined): Policy['justification'] {
  const mapping = value && readMapping(findings, value, ['min_length', 'ticket'])
  if (mapping === undefined) return { minLength: 1, ticket: undefined }
  const minLength = ifPresent(optional(mapping, 'min_length'), (length) =>
    readInteger(findings, length, { min: 0, max: 500 }),
  )
  const ticket = ifPresent(optional(mapping, 'ticket'), (pattern) => readPattern(findings, pattern))
  return { minLength: minLength ?? 1, ticket }
}

function readPattern(findings: Findings, value: Value): Pattern | undefined {
  const text = readText(findings, value, 1_000)
  if (text === undefined) return undefined
  const outcome = compilePattern(text)
  if (outcome.pattern !== undefined) return outcome.pattern
  findings.fault(value, 'bad_pattern', `This ${outcome.message}.`)
  return undefined
}

function readCondition(findings: Findings, value: Value | undefined): Condition | undefined {
  if (value === undefined) return undefined
  const text = isScalar(value.node) ? value.node.value : undefined
  if (typeof text !== 'string') {
    findings.fault(
      value,
      'wrong_type',
      'Expected a CEL expression in quotes, such as \'subject.kind == "person"\'.',
    )
    return undefined
  }
  const outcome = compileCondition(text)
  if (outcome.condition !== undefined) return outcome.condition
  const place = { position: positionInText(value, text, outcome.offset), pointer: value.pointer }
  findings.fault(place, 'bad_condition', `This ${outcome.message}.`)
  return undefined
}

/** Where character `offset` of a text stands, when the file spells the text out on one line; else its start. */
function positionInText(value: Value, text: string, offset: number) {
  const [start, end] = value.node?.range ?? [0, 0]
  const shift = value.source.text.slice(start, end).indexOf(text)
  return shift < 0 ? value.position : value.source.positionAt(start + shift + offset)
}

function readBreakGlass(findings: Findings, mapping: Mapping): Policy['breakGlass'] {
  const value = optional(mapping, 'break_glass')
  const inner = value && readMapping(findings, value, ['review_within'])
  const within = inner && required(findings, inner, 'review_within')
  const seconds = within && readDuration(findings, within, { min: '1s', max: '30d' })
  return seconds === undefined ? undefined : { reviewWithinSeconds: seconds }
}

function readChoices(findings: Findings, mapping: Mapping, deviceFlowDefault: 'allow' | 'refuse') {
  const choice = <T extends string>(key: string, first: T, second: T, fallback: T): T =>
    ifPresent(optional(mapping, key), (value) => readChoice(findings, value, [first, second])) ??
    fallback
  return {
    approveIn: choice<Policy['approveIn']>('approve_in', 'anywhere', 'browser', 'anywhere'),
    proof: choice<Policy['proof']>('proof', 'bearer', 'dpop', 'bearer'),
    deviceFlow: choice<Policy['deviceFlow']>('device_flow', 'allow', 'refuse', deviceFlowDefault),
    slackChannel: ifPresent(optional(mapping, 'slack_channel'), (value) =>
      readSlackChannel(findings, value),
    ),
    shrink: ifPresent(optional(mapping, 'shrink'), (value) => readShrink(findings, value)),
  }
}

/** The id of a Slack channel, as Slack shows it at the end of a channel's details. */
export function readSlackChannel(findings: Findings, value: Value): string | undefined {
  const text = readText(findings, value)
  if (text === undefined) return undefined
  if (/^[CG][A-Z0-9]{1,30}$/.test(text)) return text
  findings.fault(
    value,
    'bad_value',
    `${quote(text)} is not the id of a Slack channel, such as C0PAYMENTS.`,
  )
  return undefined
}

function readShrink(findings: Findings, value: Value): Policy['shrink'] {
  const mapping = readMapping(findings, value, ['unused_after', 'workloads'])
  if (mapping === undefined) return undefined
  const after = required(findings, mapping, 'unused_after')
  const seconds = after && readDuration(findings, after, { min: '1m', max: '30d' })
  const workloads = ifPresent(optional(mapping, 'workloads'), (flag) => readBoolean(findings, flag))
  if (seconds === undefined) return undefined
  return { unusedAfterSeconds: seconds, workloads: workloads ?? false }
}
