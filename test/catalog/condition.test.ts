import { describe, expect, it } from 'vitest'
import type { ConditionFacts } from '../../src/catalog/catalog.ts'
import { compileCondition } from '../../src/catalog/condition.ts'
import { compilePattern } from '../../src/catalog/pattern.ts'

const facts: ConditionFacts = {
  subject: { id: 'alice@example.com', kind: 'person', groups: ['engineering', 'oncall'] },
  request: {
    role: 'billing-operator',
    resource: 'billing-api',
    scopes: ['invoices:read', 'invoices:write'],
    durationSeconds: 3_600,
    justification: 'the nightly run failed',
    ticket: 'INC-4711',
    startsAt: new Date('2026-03-02T10:00:00Z'),
    isExtension: false,
  },
  resource: { name: 'billing-api', sensitivity: 'high' },
  now: new Date('2026-03-02T09:30:00Z'),
}

function answerOf(source: string, given: ConditionFacts = facts): boolean {
  const outcome = compileCondition(source)
  if (outcome.condition === undefined) throw new Error(`${source}: ${outcome.message}`)
  return outcome.condition.evaluate(given)
}

describe('a condition', () => {
  it.each([
    ['subject.kind == "person" || request.duration <= duration("1h")', true],
    ['"oncall" in subject.groups && request.duration <= duration("30m")', false],
    ['request.duration == duration("60m")', true],
    ['request.duration < duration("1h0m1s")', true],
    ['subject.id.endsWith("@example.com")', true],
    ['request.scopes.all(s, s.startsWith("invoices:"))', true],
    ['request.scopes.exists(s, s == "payouts:write")', false],
    ['size(request.scopes) == 2', true],
    ['request.ticket.matches("^INC-[0-9]+$")', true],
    ['request.ticket.matches("[a-z]")', false],
    ['request.starts_at - now <= duration("30m")', true],
    ['now < timestamp("2026-03-02T09:30:00.001Z")', true],
    ['now.getDayOfWeek("Europe/Berlin") == 1 && now.getHours("Europe/Berlin") == 10', true],
    ['resource.sensitivity == "high" && resource.name == request.resource', true],
    ['!request.is_extension && request.role == "billing-operator"', true],
    ['request.justification.contains("nightly") ? subject.kind != "workload" : false', true],
  ])('%s is %s', (source, expected) => {
    expect(answerOf(source)).toBe(expected)
  })

  it.each([
    ['an unknown variable', 'user.id == "x"', 0],
    ['an unknown variable behind a short cut', 'true || nobody', 8],
    ['an unknown field', 'subject.email == "x"', 8],
    ['a misspelt field of the request', 'request.durations > duration("1h")', 8],
    ['two types that do not compare', 'request.duration > 3600', 0],
    ['text for a duration', 'request.duration > "1h"', 0],
    ['a number for the answer', '1 + 1', 0],
    ['an answer whose type is open', 'dyn(true)', 0],
    ['an unknown function', 'isOnCall(subject.id)', 0],
    ['a half expression', 'subject.kind ==', 15],
    ['nothing', '', 0],
    ['a duration in days, which CEL has not', 'request.duration <= duration("2d")', 29],
    ['a time that is none', 'now < timestamp("tomorrow")', 16],
    ['a pattern that can backtrack', 'request.ticket.matches("(a)\\\\1")', 23],
    ['a pattern that is computed', 'request.ticket.matches(request.justification)', 23],
    ['matches on something else than text', 'request.scopes.matches("a")', 8],
  ])('is refused with its place when it has %s', (_, source, offset) => {
    const outcome = compileCondition(source)
    expect(outcome.condition).toBeUndefined()
    expect(outcome).toMatchObject({ offset, message: expect.stringMatching(/\w/) })
  })

  it.each([
    ['is longer than 2,000 characters', `"${'x'.repeat(2_000)}" == ""`],
    ['has too many terms', Array.from({ length: 200 }, () => 'true').join(' || ')],
    ['nests without end', `${'('.repeat(500)}true${')'.repeat(500)}`],
    ['loops in loops in loops', '[1].all(a, [1].all(b, [1].all(c, a + b == c)))'],
    [
      'doubles a text again and again',
      'cel.bind(a, "xx", cel.bind(b, a + a, cel.bind(c, b + b, c == a)))',
    ],
  ])('is refused when it %s', (_, source) => {
    expect(compileCondition(source).condition).toBeUndefined()
  })

  it('throws when it cannot be evaluated', () => {
    const outcome = compileCondition('subject.groups[9] == "x"')
    expect(() => outcome.condition?.evaluate(facts)).toThrow()
  })

  it('cannot change the facts it is given', () => {
    const before = structuredClone(facts)
    answerOf('request.scopes.map(s, s + "!").size() == 2 && (request.scopes + ["x"]).size() == 3')
    expect(facts).toEqual(before)
  })

  it('matches a pattern that backtracks elsewhere in time linear in the text', () => {
    const outcome = compileCondition('request.justification.matches("(a+)+$")')
    const text = `${'a'.repeat(50_000)}!`
    const startedAt = performance.now()
    const given = { ...facts, request: { ...facts.request, justification: text } }
    expect(outcome.condition?.evaluate(given)).toBe(false)
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })
})

describe('a pattern', () => {
  it('is found anywhere unless it is anchored', () => {
    expect(compilePattern('INC-[0-9]+').pattern?.test('see INC-1, please')).toBe(true)
    expect(compilePattern('^INC-[0-9]+$').pattern?.test('see INC-1')).toBe(false)
  })

  it('ends with the text at $, not before a last line end', () => {
    expect(compilePattern('^INC-[0-9]+$').pattern?.test('INC-1\n')).toBe(false)
  })

  it.each(['(a+)+$', '(a|a)*b', '(.*)*x', '^(([a-z])+.)+[A-Z]([a-z])+$'])(
    'takes time linear in the text: %s',
    (source) => {
      const { pattern } = compilePattern(source)
      const startedAt = performance.now()
      pattern?.test(`${'a'.repeat(50_000)}!`)
      expect(pattern).toBeDefined()
      expect(performance.now() - startedAt).toBeLessThan(2_000)
    },
  )

  it.each([
    ['a back-reference', '(a)\\1'],
    ['a look ahead', '(?=a)a'],
    ['a look behind', '(?<=a)a'],
    ['repetitions that multiply', '((a{500}){500}){500}'],
    ['no end', '('],
    ['501 characters', 'a'.repeat(501)],
  ])('is refused with %s', (_, source) => {
    expect(compilePattern(source)).toMatchObject({ message: expect.any(String) })
  })
})
