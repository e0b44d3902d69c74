import {
  type Document,
  isAlias,
  LineCounter,
  type Node,
  Parser,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml'
import type { Findings, Place, Position } from './finding.ts'

const maxBytes = 1_000_000
const maxAliases = 100
const maxNesting = 30
const maxEntries = 5_000

/** One value of the file and where it stands. `node` is undefined for a key without a value. */
export interface Value extends Place {
  readonly node: Node | undefined
  readonly source: YamlSource
}

/** The text of a file, its nodes, and the way from one to the other. */
export interface YamlSource {
  readonly text: string
  positionAt(offset: number): Position
  /** Follows an alias to the node it names. */
  resolve(node: Node): Node | undefined
}

const topOfFile: Place = { position: { line: 1, column: 1 }, pointer: '' }

/**
 * Reads YAML 1.2 without building values from it. Text that is too large, nests too deep, multiplies itself
 * through aliases or does not parse gives faults and undefined; duplicate keys give faults alone.
 */
export function readYaml(text: string, findings: Findings): Value | undefined {
  if (Buffer.byteLength(text) > maxBytes) {
    findings.fault(
      topOfFile,
      'too_large',
      'The catalog is larger than 1 MB. Split the company, or drop what is unused.',
    )
    return undefined
  }
  const misshapen = shapeFault(text)
  if (misshapen !== undefined) {
    findings.fault(topOfFile, 'too_large', misshapen)
    return undefined
  }
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'error',
  })
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  if (!reportErrors([...document.errors, ...document.warnings], positionAt, findings))
    return undefined
  if (hasStrayAlias(document, positionAt, findings)) return undefined
  if (multiplies(document)) {
    findings.fault(
      topOfFile,
      'syntax',
      `Aliases multiply to more than ${maxAliases}. Write the values out.`,
    )
    return undefined
  }
  const source: YamlSource = {
    text,
    positionAt,
    resolve: (node) => (isAlias(node) ? node.resolve(document) : node),
  }
  return valueAt(document.contents ?? undefined, topOfFile, source)
}

/** A value at this node, or, when there is none, at the place of its key. */
export function valueAt(node: Node | undefined, fallback: Place, source: YamlSource): Value {
  const offset = node?.range?.[0]
  return {
    node: node === undefined ? undefined : source.resolve(node),
    position: offset === undefined ? fallback.position : source.positionAt(offset),
    pointer: fallback.pointer,
    source,
  }
}

/** Returns false when the document cannot be read any further. */
function reportErrors(
  errors: readonly YAMLError[],
  positionAt: (offset: number) => Position,
  findings: Findings,
): boolean {
  let isReadable = true
  for (const { code, message, pos } of errors) {
    const place = { position: positionAt(pos[0]), pointer: '' }
    if (code === 'DUPLICATE_KEY') {
      findings.fault(
        place,
        'duplicate_name',
        'This name stands here a second time. Names are unique; rename or join them.',
      )
    } else {
      isReadable = false
      findings.fault(place, 'syntax', `Not valid YAML: ${message}.`)
    }
  }
  return isReadable
}

function hasStrayAlias(
  document: Document.Parsed,
  positionAt: (offset: number) => Position,
  findings: Findings,
): boolean {
  let isStray = false
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return
      isStray = true
      const place = { position: positionAt(alias.range?.[0] ?? 0), pointer: '' }
      findings.fault(
        place,
        'syntax',
        `The alias *${alias.source} follows no anchor &${alias.source}.`,
      )
    },
  })
  return isStray
}

function multiplies(document: Document.Parsed): boolean {
  try {
    document.toJS({ maxAliasCount: maxAliases })
    return false
  } catch {
    return true
  }
}

/**
 * The tokens come without recursion; composing them would run out of stack where they nest too deep, and
 * compares every key of a mapping with every other.
 */
function shapeFault(text: string): string | undefined {
  for (const document of new Parser().parse(text)) {
    const open: Array<{ token: unknown; depth: number }> = [{ token: document, depth: 0 }]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { token, depth } = next
      if (token === null || typeof token !== 'object' || !('type' in token)) continue
      if (depth > maxNesting)
        return `Nested more than ${maxNesting} deep. No part of a catalog needs that.`
      if ('value' in token) open.push({ token: token.value, depth: depth + 1 })
      if (!('items' in token) || !Array.isArray(token.items)) continue
      if (token.type !== 'block-seq' && token.items.length > maxEntries) {
        return `A mapping or inline list has more than ${maxEntries} entries. Split it.`
      }
      for (const item of token.items) {
        open.push({ token: item.key, depth: depth + 1 }, { token: item.value, depth: depth + 1 })
      }
    }
  }
  return undefined
}
