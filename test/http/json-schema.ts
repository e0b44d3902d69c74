/** As much of JSON Schema 2020-12 as the description of the API uses; any other keyword is an error. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly format?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly description?: string
}

export type Definitions = Readonly<Record<string, JsonSchema>>

const known = new Set([
  '$ref',
  'type',
  'enum',
  'const',
  'format',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'anyOf',
  'oneOf',
  'description',
])

/**
 * Where a value departs from its schema. Objects are closed unless the schema says what more they may hold: what
 * is answered must be described.
 */
export function departures(
  schema: JsonSchema,
  value: unknown,
  definitions: Definitions,
  at = '',
): readonly string[] {
  const unknown = Object.keys(schema).filter((keyword) => !known.has(keyword))
  if (unknown.length > 0) throw new Error(`this checker does not know ${unknown.join()}`)
  if (Object.keys(schema).length === 0) return []
  const check = (part: JsonSchema, member: unknown, name = '') =>
    departures(part, member, definitions, at + name)
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace('#/components/schemas/', '')
    const definition = definitions[name]
    return definition === undefined ? [`${at}: no ${name} is defined`] : check(definition, value)
  }
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) {
    const isAny = choices.some((choice) => check(choice, value).length === 0)
    return isAny ? [] : [`${at}: none of the choices`]
  }
  if (schema.const !== undefined && schema.const !== value) return [`${at}: another constant`]
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return [`${at}: ${JSON.stringify(value)} is not listed`]
  }
  const types = schema.type === undefined ? [] : [schema.type].flat()
  if (types.length > 0 && !types.some((type) => isOfType(type, value))) {
    return [`${at}: ${JSON.stringify(value)} is no ${types.join(' or ')}`]
  }
  if (typeof value === 'string') return isOfFormat(schema.format, value) ? [] : [`${at}: format`]
  if (Array.isArray(value)) {
    const { items } = schema
    if (items === undefined) return [`${at}: items are not described`]
    return value.flatMap((item, index) => check(items, item, `/${index}`))
  }
  return isObject(value) ? memberDepartures(schema, value, check, at) : []
}

function memberDepartures(
  { properties = {}, required = [], additionalProperties = false }: JsonSchema,
  value: Readonly<Record<string, unknown>>,
  check: (part: JsonSchema, member: unknown, name: string) => readonly string[],
  at: string,
): readonly string[] {
  const missing = required.filter((name) => !Object.hasOwn(value, name))
  return [
    ...missing.map((name) => `${at}/${name} is missing`),
    ...Object.entries(value).flatMap(([name, member]) => {
      const part = properties[name] ?? additionalProperties
      if (part === true) return []
      return part === false ? [`${at}/${name} is not described`] : check(part, member, `/${name}`)
    }),
  ]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isOfType(type: string, value: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'integer':
      return Number.isInteger(value)
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isObject(value)
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type
    default:
      throw new Error(`this checker does not know the type ${type}`)
  }
}

function isOfFormat(format: string | undefined, value: string): boolean {
  if (format === undefined) return true
  if (format !== 'date-time') throw new Error(`this checker does not know the format ${format}`)
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value)
}
