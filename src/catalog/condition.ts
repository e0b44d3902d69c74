import { type ASTNode, Environment, EvaluationError, type ParseError } from '@marcbachmann/cel-js'
import { Duration } from '@marcbachmann/cel-js/evaluator'
import type { Condition, ConditionFacts } from './catalog.ts'
import { compilePattern } from './pattern.ts'

const maxSourceLength = 2_000
const maxMacroDepth = 2
const repeatingMacros = new Set(['all', 'exists', 'exists_one', 'map', 'filter', 'bind'])

/** A condition, or why the expression is none; `offset` counts characters from its start. */
export type ConditionOutcome =
  | { readonly condition: Condition }
  | { readonly message: string; readonly offset: number; readonly condition?: undefined }

/**
 * Compiles a CEL expression over the variables of CONTRACTS §1. It must type-check to a boolean, name no
 * unknown variable, hold only patterns and durations that are good, and stay small: at most 300 nodes,
 * and loops nested at most twice, so an evaluation is always short.
 */
export function compileCondition(source: string): ConditionOutcome {
  if (source.length > maxSourceLength) {
    return { message: `is longer than ${maxSourceLength} characters`, offset: 0 }
  }
  try {
    const parsed = environment.parse(source)
    inspect(parsed.ast, 0)
    const { type, error } = parsed.check()
    if (error !== undefined) return outcomeOf(error)
    if (type !== 'bool') return { message: `must be true or false, but is a ${type}`, offset: 0 }
    return {
      condition: {
        source,
        evaluate: (facts) => {
          const value: unknown = parsed(variablesOf(facts))
          if (typeof value !== 'boolean') throw new Error('the condition gave no boolean')
          return value
        },
      },
    }
  } catch (error) {
    return outcomeOf(error)
  }
}

/** A fault that the grammar and the types do not see. */
class ConditionFault extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

function outcomeOf(error: unknown): ConditionOutcome {
  if (error instanceof ConditionFault) return { message: error.message, offset: error.offset }
  if (error !== null && typeof error === 'object' && 'summary' in error && 'range' in error) {
    const { summary, range } = error as Pick<ParseError, 'summary' | 'range'>
    return { message: `is not valid CEL: ${summary}`, offset: range?.start ?? 0 }
  }
  return { message: 'is not valid CEL: it is nested too deeply', offset: 0 }
}

const environment = new Environment({
  unlistedVariablesAreDyn: false,
  limits: { maxAstNodes: 300, maxDepth: 30, maxListElements: 100, maxMapEntries: 20 },
})
  // The library's own `matches` backtracks. A macro of that name and arity goes before every receiver's
  // function, and this one runs on a linear-time engine.
  .registerFunction('list.matches(ast): bool', linearMatches)
  .registerVariable({
    name: 'subject',
    schema: { id: 'string', kind: 'string', groups: 'list<string>' },
  })
  .registerVariable({
    name: 'request',
    schema: {
      role: 'string',
      resource: 'string',
      scopes: 'list<string>',
      duration: 'google.protobuf.Duration',
      justification: 'string',
      ticket: 'string',
      starts_at: 'google.protobuf.Timestamp',
      is_extension: 'bool',
    },
  })
  .registerVariable({ name: 'resource', schema: { name: 'string', sensitivity: 'string' } })
  .registerVariable('now', 'google.protobuf.Timestamp')

function variablesOf({ subject, request, resource, now }: ConditionFacts) {
  return {
    subject: { id: subject.id, kind: subject.kind, groups: [...subject.groups] },
    request: {
      role: request.role,
      resource: request.resource,
      scopes: [...request.scopes],
      duration: new Duration(BigInt(request.durationSeconds), 0),
      justification: request.justification,
      ticket: request.ticket,
      starts_at: request.startsAt,
      is_extension: request.isExtension,
    },
    resource: { name: resource.name, sensitivity: resource.sensitivity },
    now,
  }
}

/** The parts of the library's macro protocol that are used here. */
interface MacroCall {
  readonly args: readonly [ASTNode]
  readonly receiver: ASTNode
}
interface Checker {
  check(node: ASTNode, scope: unknown): { readonly name: string }
  getType(name: string): unknown
  createError(code: string, message: string, node: ASTNode): Error
}
interface Evaluator {
  run(node: ASTNode, scope: unknown): unknown
}

function linearMatches({ args: [argument], receiver }: MacroCall) {
  const outcome =
    argument.op === 'value' && typeof argument.args === 'string'
      ? compilePattern(argument.args)
      : undefined
  if (outcome === undefined) {
    throw new ConditionFault('must give `matches` a pattern in quotes', argument.range.start)
  }
  const { pattern } = outcome
  if (pattern === undefined) {
    throw new ConditionFault(`has a pattern that ${outcome.message}`, argument.range.start)
  }
  return {
    typeCheck(checker: Checker, _call: unknown, scope: unknown) {
      const { name } = checker.check(receiver, scope)
      if (name !== 'string') {
        throw checker.createError(
          'no_matching_overload',
          `matches() is for strings, not ${name}`,
          receiver,
        )
      }
      return checker.getType('bool')
    },
    evaluate(evaluator: Evaluator, _call: unknown, scope: unknown) {
      const text = evaluator.run(receiver, scope)
      if (typeof text !== 'string') throw new EvaluationError('matches() is for strings')
      return pattern.test(text)
    },
  }
}

function isNode(value: unknown): value is ASTNode {
  return value !== null && typeof value === 'object' && 'op' in value && 'args' in value
}

/** Walks the expression for loops in loops in loops, and for literals that can only fail. */
function inspect(value: unknown, macroDepth: number): void {
  if (Array.isArray(value)) {
    for (const item of value) inspect(item, macroDepth)
    return
  }
  if (!isNode(value)) return
  const isCall = value.op === 'call' || value.op === 'rcall'
  const name = isCall ? value.args[0] : undefined
  const depth = name !== undefined && repeatingMacros.has(name) ? macroDepth + 1 : macroDepth
  if (depth > maxMacroDepth) {
    throw new ConditionFault(`nests ${name} more than ${maxMacroDepth} deep`, value.range.start)
  }
  if (value.op === 'call') inspectLiteral(value.args[0], value.args[1])
  inspect(value.args, depth)
}

function inspectLiteral(name: string, [argument, ...rest]: readonly ASTNode[]): void {
  if (name !== 'duration' && name !== 'timestamp') return
  if (argument === undefined || rest.length > 0 || argument.op !== 'value') return
  if (typeof argument.args !== 'string') return
  try {
    environment.evaluate(`${name}(${JSON.stringify(argument.args)})`)
  } catch {
    const hint =
      name === 'duration'
        ? 'hours, minutes and seconds, as in "36h" or "1h30m"'
        : 'RFC 3339, as in "2026-01-31T00:00:00Z"'
    throw new ConditionFault(
      `has a ${name}() that cannot be read; write ${hint}`,
      argument.range.start,
    )
  }
}
