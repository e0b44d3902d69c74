import { isMap, isScalar, isSeq, type Scalar } from 'yaml'
import { parseDuration } from './duration.ts'
import type { Findings } from './finding.ts'
import { type Value, valueAt } from './yaml-source.ts'

/** One `key: value` of a mapping; `name` is the key and stands where the key stands. */
interface Entry {
  readonly key: string
  readonly name: Value
  readonly value: Value
}

/** A mapping: its entries in file order, and where it stands itself. */
export interface Mapping {
  readonly place: Value
  readonly entries: ReadonlyMap<string, Entry>
}

/** Reads a mapping; with `keys`, any other key is a fault. */
export function readMapping(
  findings: Findings,
  value: Value,
  keys?: readonly string[],
): Mapping | undefined {
  const { node, source } = value
  if (!isMap(node)) {
    findings.fault(value, 'wrong_type', `Expected a mapping (\`key: value\`)${found(value)}.`)
    return undefined
  }
  const entries = new Map<string, Entry>()
  for (const pair of node.items) {
    const keyNode = isScalar(pair.key) ? pair.key : undefined
    const key = keyNode === undefined ? undefined : textOf(keyNode)
    if (key === undefined) {
      findings.fault(value, 'wrong_type', 'Every key must be plain text.')
      continue
    }
    const pointer = `${value.pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const name = valueAt(keyNode, { position: value.position, pointer }, source)
    if (keys !== undefined && !keys.includes(key)) {
      findings.fault(
        name,
        'unknown_key',
        `Unknown key ${quote(key)}. Known here: ${keys.join(', ')}.`,
      )
      continue
    }
    // the second of two equal keys was reported when the file was read
    if (entries.has(key)) continue
    const valueNode = isNodeLike(pair.value) ? pair.value : undefined
    entries.set(key, { key, name, value: valueAt(valueNode, name, source) })
  }
  return { place: value, entries }
}

type YamlNode = NonNullable<Value['node']>

function isNodeLike(value: unknown): value is YamlNode {
  return value !== null && typeof value === 'object' && 'range' in value
}

/** Reads a list with at least `min` items (default 1). */
export function readList(findings: Findings, value: Value, min = 1): readonly Value[] | undefined {
  const { node, source } = value
  if (!isSeq(node)) {
    findings.fault(value, 'wrong_type', `Expected a list (\`[a, b]\`)${found(value)}.`)
    return undefined
  }
  if (node.items.length < min) {
    findings.fault(value, 'bad_value', 'This list is empty. Name at least one.')
    return undefined
  }
  return node.items.map((item, index) =>
    valueAt(
      isNodeLike(item) ? item : undefined,
      { position: value.position, pointer: `${value.pointer}/${index}` },
      source,
    ),
  )
}

/** The entry of a key that must be there; its absence is a fault at the mapping. */
export function required(findings: Findings, mapping: Mapping, key: string): Value | undefined {
  const entry = mapping.entries.get(key)
  if (entry === undefined) {
    findings.fault(mapping.place, 'missing_key', `${quote(key)} is missing here.`)
  }
  return entry?.value
}

export function optional(mapping: Mapping, key: string): Value | undefined {
  return mapping.entries.get(key)?.value
}

/** One line of text, trimmed by nobody: 1 to `max` characters, no control characters. */
export function readText(findings: Findings, value: Value, max = 200): string | undefined {
  const text =
    isScalar(value.node) && typeof value.node.value === 'string' ? value.node.value : undefined
  if (text === undefined) {
    findings.fault(value, 'wrong_type', `Expected text${found(value)}.`)
    return undefined
  }
  if (text.length === 0 || text.length > max) {
    findings.fault(value, 'bad_value', `Expected 1 to ${max} characters.`)
    return undefined
  }
  if (/\p{Cc}|\p{Cs}/u.test(text)) {
    findings.fault(value, 'bad_value', 'Control characters are not allowed here.')
    return undefined
  }
  return text
}

export function readInteger(
  findings: Findings,
  value: Value,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  const number = isScalar(value.node) ? value.node.value : undefined
  if (typeof number !== 'number' || !Number.isInteger(number)) {
    findings.fault(value, 'wrong_type', `Expected a whole number${found(value)}.`)
    return undefined
  }
  if (number < min || number > max) {
    findings.fault(value, 'bad_value', `Expected ${min} to ${max}, found ${number}.`)
    return undefined
  }
  return number
}

export function readBoolean(findings: Findings, value: Value): boolean | undefined {
  const flag = isScalar(value.node) ? value.node.value : undefined
  if (typeof flag === 'boolean') return flag
  findings.fault(value, 'wrong_type', `Expected true or false${found(value)}.`)
  return undefined
}

export function readChoice<const T extends string>(
  findings: Findings,
  value: Value,
  choices: readonly T[],
): T | undefined {
  const text = isScalar(value.node) ? value.node.value : undefined
  const choice = choices.find((candidate) => candidate === text)
  if (choice !== undefined) return choice
  findings.fault(value, 'bad_value', `Expected ${choices.join(' or ')}${found(value)}.`)
  return undefined
}

/** Whole seconds of a duration such as `45m`, from `min` to `max`, both written the same way. */
export function readDuration(
  findings: Findings,
  value: Value,
  { min, max }: { readonly min: string; readonly max: string },
): number | undefined {
  const text = isScalar(value.node) ? value.node.value : undefined
  const seconds = typeof text === 'string' ? parseDuration(text) : undefined
  if (seconds === undefined) {
    findings.fault(
      value,
      'bad_duration',
      `Expected a duration such as 30s, 45m, 8h or 2d${found(value)}.`,
    )
    return undefined
  }
  if (seconds < (parseDuration(min) ?? 0) || seconds > (parseDuration(max) ?? 0)) {
    findings.fault(value, 'bad_duration', `Expected ${min} to ${max}, found ${String(text)}.`)
    return undefined
  }
  return seconds
}

const byteUnits: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }

/** Whole bytes of `500MB`, or of a plain number. Units are powers of 1,000. */
export function readBytes(findings: Findings, value: Value): number | undefined {
  const raw = isScalar(value.node) ? value.node.value : undefined
  const match = /^(\d{1,9})(B|KB|MB|GB|TB)?$/.exec(String(raw))
  const bytes = match === null ? undefined : Number(match[1]) * (byteUnits[match[2] ?? 'B'] ?? 1)
  if (bytes !== undefined && bytes > 0 && Number.isSafeInteger(bytes)) return bytes
  findings.fault(value, 'bad_value', `Expected bytes such as 500MB or 2GB${found(value)}.`)
  return undefined
}

/** Reads an optional value: undefined when the key is absent, and when it is there but bad. */
export function ifPresent<T>(
  value: Value | undefined,
  read: (value: Value) => T | undefined,
): T | undefined {
  return value === undefined ? undefined : read(value)
}

/** What stands there, for a message; long or structured values are only named by kind. */
function found({ node }: Value): string {
  if (node === undefined) return ', found nothing'
  if (isMap(node)) return ', found a mapping'
  if (isSeq(node)) return ', found a list'
  if (!isScalar(node)) return ''
  return node.value === null
    ? ', found nothing'
    : `, found ${quote(String(node.value).slice(0, 60))}`
}

function textOf(node: Scalar): string | undefined {
  if (typeof node.value === 'string') return node.value
  // `123:` and `true:` are names too, as they are written
  return node.value === null ? undefined : (node.source ?? String(node.value))
}

export function quote(text: string): string {
  return JSON.stringify(text)
}
