/** A value as JSON carries it. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/** Members whose own keys are data and stay as they are. */
const opaqueMembers = new Set(['details', 'data', 'scopes'])

const mostNames = 1_000
const snakeNames = new Map<string, string>()

function snakeCase(name: string): string {
  const known = snakeNames.get(name)
  if (known !== undefined) return known
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  if (snakeNames.size < mostNames) snakeNames.set(name, snake)
  return snake
}

/**
 * Renders a domain object: camelCase members become snake_case, instants RFC 3339 in UTC, `undefined` members
 * are left out. Keys below `details`, `data` and `scopes` are data and stay untouched.
 */
export function toJson(value: unknown, isOpaque = false): Json {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map((item) => toJson(item, isOpaque))
  if (typeof value !== 'object') throw new TypeError(`cannot render a ${typeof value}`)
  const entries = value instanceof Map ? [...value.entries()] : Object.entries(value)
  const rendered = entries.flatMap(([key, member]): [string, Json][] => {
    if (member === undefined) return []
    const name = isOpaque ? String(key) : snakeCase(String(key))
    return [[name, toJson(member, isOpaque || opaqueMembers.has(name))]]
  })
  // as assignments would not, this keeps a member that is called __proto__
  return Object.fromEntries(rendered)
}
