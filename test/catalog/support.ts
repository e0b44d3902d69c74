import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Catalog, SubjectFacts } from '../../src/catalog/index.ts'
import { type ParsedCatalog, parseCatalog, readCatalogFile } from '../../src/catalog/index.ts'
import { installationRoot } from '../../src/installation.ts'

/** A small catalog without a fault; cases replace parts of it. */
export const smallCatalog = `version: 1
groups:
  engineering: [alice@example.com, dana@example.com]
  leads: [bob@example.com, carol@example.com]
admins: [leads]
workloads:
  bot: { owner: engineering }
resources:
  api:
    audience: https://api.example.com
    owner: leads
    scopes: { read: Read, write: Write }
roles:
  reader: { resource: api, scopes: [read] }
policies:
  - name: read
    roles: [reader]
    requesters: [engineering]
    max_duration: 8h
    approval: [{ from: [leads], count: 1 }]
`

/** The small catalog with one part replaced; the part must stand in it. */
export function withPart(part: string, replacement: string): string {
  if (!smallCatalog.includes(part)) throw new Error(`the small catalog has no ${part}`)
  return smallCatalog.replace(part, () => replacement)
}

/** Takes the ▲ marks out of a text and says where they stood. */
export function unmark(marked: string): {
  text: string
  positions: readonly { line: number; column: number }[]
} {
  const positions: { line: number; column: number }[] = []
  const text = marked
    .split('\n')
    .map((line, index) => {
      let rest = line
      for (let at = rest.indexOf('▲'); at >= 0; at = rest.indexOf('▲')) {
        positions.push({ line: index + 1, column: at + 1 })
        rest = rest.slice(0, at) + rest.slice(at + 1)
      }
      return rest
    })
    .join('\n')
  return { text, positions }
}

export function mustParse(text: string, files: Readonly<Record<string, string>> = {}): Catalog {
  const { catalog, faults } = parseCatalog(text, { readFile: (path) => files[path] })
  if (catalog === undefined) throw new Error(JSON.stringify(faults, null, 2))
  return catalog
}

export const wholeCatalogPath = join(installationRoot, 'test/catalog/fixtures/whole.yaml')

export function parseFile(path: string, issuer = 'http://localhost:8080'): ParsedCatalog {
  const { content, files } = readCatalogFile(path)
  return parseCatalog(content, { issuer, readFile: (name) => files[name] })
}

export function textOf(path: string): string {
  return readFileSync(path, 'utf8')
}

export function person(id: string, claimGroups: readonly string[] = []): SubjectFacts {
  return { id, kind: 'person', claimGroups }
}

export function workload(name: string): SubjectFacts {
  return { id: `workload:${name}`, kind: 'workload', claimGroups: [] }
}
