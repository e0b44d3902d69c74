import type { JsonObject } from './rest-client.ts'

/** Members whose own keys are data and stay as they are. */
const opaqueMembers = new Set(['details', 'scopes'])

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function renamed(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(renamed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      const name = snakeCase(key)
      return [name, opaqueMembers.has(name) && !Array.isArray(member) ? member : renamed(member)]
    }),
  )
}

/** The object with its members named as the contract names them. */
export function snakeCased(value: object): JsonObject {
  return renamed(value) as JsonObject
}

/** An answer as indented JSON, its members in snake_case; what could steer a terminal is written as \uXXXX. */
export function jsonText(answer: unknown): string {
  return JSON.stringify(renamed(answer), null, 2).replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
