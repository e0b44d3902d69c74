import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import { describe, expect, it } from 'vitest'
import { installationRoot } from '../src/installation.ts'

const rooms = [
  'catalog',
  'access',
  'tokens',
  'identity',
  'usage',
  'audit',
  'notify',
  'jobs',
  'database',
  'http',
  'cli',
]

/** Files that decide: no I/O, no async, no clock, no randomness, no environment. */
const pureFiles = [
  'src/catalog/catalog.ts',
  'src/catalog/decision.ts',
  'src/catalog/decide.ts',
  'src/catalog/membership.ts',
  'src/catalog/check-groups.ts',
  'src/catalog/check-policies.ts',
  'src/catalog/check-seats.ts',
  'src/catalog/condition.ts',
  'src/catalog/duration.ts',
  'src/catalog/explain.ts',
  'src/catalog/limits.ts',
  'src/catalog/parse-catalog.ts',
  'src/catalog/pattern.ts',
  'src/catalog/read-policies.ts',
  'src/catalog/read-references.ts',
  'src/catalog/read-resources.ts',
  'src/catalog/read-subjects.ts',
  'src/catalog/read-values.ts',
  'src/catalog/visible-catalog.ts',
  'src/catalog/yaml-source.ts',
  'src/access/request.ts',
  'src/access/review.ts',
  'src/access/seats.ts',
  'src/access/situation.ts',
  'src/access/ask-input.ts',
  'src/access/free-text.ts',
  'src/access/seat-notation.ts',
  'src/access/request-view.ts',
  'src/access/grant.ts',
  'src/identity/authorization-request.ts',
  'src/identity/basic-header.ts',
  'src/identity/client-request.ts',
  'src/identity/code-redemption.ts',
  'src/identity/credential-right.ts',
  'src/identity/local-path.ts',
  'src/identity/loopback.ts',
  'src/identity/people-named.ts',
  'src/identity/pin.ts',
  'src/identity/provider-identity.ts',
  'src/identity/secret.ts',
  'src/identity/sign-in-secrets.ts',
  'src/identity/session.ts',
  'src/identity/subject.ts',
  'src/tokens/claims.ts',
  'src/tokens/covering-grants.ts',
  'src/tokens/metadata.ts',
  'src/tokens/mintable-scopes.ts',
  'src/tokens/signing-key.ts',
  'src/audit/merkle.ts',
  'src/audit/proofs.ts',
  'src/audit/entry.ts',
  'src/audit/signed-note.ts',
  'src/audit/checkpoint.ts',
  'src/audit/reading/log-check.ts',
  'src/jobs/schedule.ts',
  'src/notify/back-off.ts',
  'src/notify/describe-event.ts',
  'src/notify/select-deliveries.ts',
  'src/usage/granted-versus-used.ts',
  'src/usage/narrower-ask.ts',
  'src/usage/askable-roles.ts',
  'src/usage/report-visibility.ts',
  'src/usage/holder-report.ts',
  'src/usage/unused-permission-json.ts',
  'src/usage/use-buffer.ts',
  'src/http/csv.ts',
  'src/http/render.ts',
  'src/http/problem.ts',
  'src/verifier/access.ts',
  'src/verifier/authorization.ts',
  'src/verifier/activity-buffer.ts',
  'src/verifier/activity-event.ts',
  'src/verifier/back-off.ts',
  'src/verifier/broker-reach.ts',
  'src/verifier/challenge.ts',
  'src/verifier/claims.ts',
  'src/verifier/compact-token.ts',
  'src/verifier/credential.ts',
  'src/verifier/demands.ts',
  'src/verifier/event-stream.ts',
  'src/verifier/freshness.ts',
  'src/verifier/json.ts',
  'src/verifier/options.ts',
  'src/verifier/problem.ts',
  'src/verifier/proof.ts',
  'src/verifier/proof-key.ts',
  'src/verifier/refusal.ts',
  'src/verifier/replay-memory.ts',
  'src/verifier/resource-metadata.ts',
  'src/verifier/revocation.ts',
  'src/verifier/revocation-set.ts',
  'src/verifier/route-template.ts',
  'src/verifier/signature-check.ts',
  'src/verifier/token-cache.ts',
  'src/verifier/token-times.ts',
  'src/verifier/verification-key.ts',
  'src/verifier/verify-error.ts',
  'src/database/embedded/failures.ts',
  'src/database/embedded/postmaster-file.ts',
  'src/database/embedded/settings.ts',
  'src/errors.ts',
]

/** The only places that may ask for time, randomness or the environment. */
const ambientFiles = new Set([
  'src/context.ts',
  'src/config.ts',
  'src/main.ts',
  'src/cli/main.ts',
  'src/verifier/clock.ts',
])

function filesUnder(folder: string): string[] {
  return readdirSync(join(installationRoot, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(installationRoot, join(entry.parentPath, entry.name)))
    .filter((path) => !path.startsWith('src/verifier/dist/'))
    .sort()
}

interface SourceFile {
  readonly path: string
  readonly lineCount: number
  /** Imported modules; a relative one as a path from the root. */
  readonly imports: readonly { readonly to: string; readonly isTypeOnly: boolean }[]
  readonly ambient: readonly string[]
  readonly hasAsync: boolean
}

function read(path: string): SourceFile {
  const text = readFileSync(join(installationRoot, path), 'utf8')
  const { program, module, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path} does not parse`)
  const ambient: string[] = []
  let hasAsync = false
  new Visitor({
    MemberExpression(node) {
      if (node.object.type !== 'Identifier' || node.property.type !== 'Identifier') return
      const name = `${node.object.name}.${node.property.name}`
      if (['Date.now', 'Math.random', 'process.env', 'performance.now'].includes(name)) {
        ambient.push(name)
      }
    },
    NewExpression(node) {
      if (
        node.callee.type === 'Identifier' &&
        node.callee.name === 'Date' &&
        node.arguments.length === 0
      ) {
        ambient.push('new Date()')
      }
    },
    FunctionDeclaration(node) {
      hasAsync ||= node.async
    },
    ArrowFunctionExpression(node) {
      hasAsync ||= node.async
    },
    AwaitExpression() {
      hasAsync = true
    },
  }).visit(program)
  const imports = [
    ...module.staticImports.map((found) => ({
      to: resolve(path, found.moduleRequest.value),
      isTypeOnly: found.entries.length > 0 && found.entries.every((entry) => entry.isType),
    })),
    ...module.staticExports
      .flatMap((found) => found.entries)
      .flatMap((entry) =>
        entry.moduleRequest == null
          ? []
          : [{ to: resolve(path, entry.moduleRequest.value), isTypeOnly: entry.isType }],
      ),
  ]
  return { path, lineCount: text.split('\n').length - 1, imports, ambient, hasAsync }
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? join(dirname(from), specifier) : specifier
}

function roomOf(path: string): string | undefined {
  const match = /^src\/([^/]+)\//.exec(path)
  return match?.[1] ?? (path.startsWith('slack/') ? 'slack' : undefined)
}

/** Every room may write to the audit log; reading it stands above the rooms that say who may. */
function layerOf(path: string): string | undefined {
  return path.startsWith('src/audit/reading/') ? 'audit/reading' : roomOf(path)
}

const sources = [...filesUnder('src'), ...filesUnder('slack')].map(read)

describe('the house', () => {
  it('has no room that the design does not name', () => {
    const known = new Set([...rooms, 'verifier', 'slack', 'findings'])
    const strangers = sources
      .map(({ path }) => roomOf(path))
      .filter((room) => room !== undefined && !known.has(room))
    expect(strangers).toEqual([])
  })

  it('lets rooms import each other only through their index', () => {
    const faults = sources.flatMap(({ path, imports }) =>
      imports
        .filter(({ to }) => {
          const room = roomOf(to)
          if (room === undefined || room === roomOf(path)) return false
          return (
            !/^src\/[^/]+\/(?:[a-z-]+\/)?index\.tsx?$/.test(to) &&
            !to.startsWith('src/database/schema/')
          )
        })
        .map(({ to }) => `${path} → ${to}`),
    )
    expect(faults).toEqual([])
  })

  it('has no cycle of imports between rooms, types aside', () => {
    const edges = new Map<string, Set<string>>()
    for (const { path, imports } of sources) {
      const from = layerOf(path)
      if (from === undefined) continue
      for (const { to, isTypeOnly } of imports) {
        const room = layerOf(to)
        if (room !== undefined && room !== from && !isTypeOnly) {
          edges.set(from, (edges.get(from) ?? new Set()).add(room))
        }
      }
    }
    expect(cycleIn(edges)).toBeUndefined()
  })

  it('keeps the database out of http, cli, jobs and slack, and them out of each other', () => {
    const transports = new Set(['http', 'cli', 'jobs', 'slack'])
    const faults = sources
      .filter(({ path }) => transports.has(roomOf(path) ?? ''))
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ to }) => {
            const room = roomOf(to)
            const isOther = room !== undefined && transports.has(room) && room !== roomOf(path)
            return (
              isOther ||
              /^(drizzle-orm|pg|postgres)(\/|$)/.test(to) ||
              to.startsWith('src/database/schema')
            )
          })
          .map(({ to }) => `${path} → ${to}`),
      )
    expect(faults).toEqual([])
  })
})

describe('the verifier', () => {
  it('needs nothing but itself and node:crypto: services install it alone', () => {
    const strangers = sources
      .filter(({ path }) => roomOf(path) === 'verifier')
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ to }) => to !== 'node:crypto' && !to.startsWith('src/verifier/'))
          .map(({ to }) => `${path} → ${to}`),
      )
    expect(strangers).toEqual([])
  })
})

describe('pure files', () => {
  const byPath = new Map(sources.map((source) => [source.path, source]))

  it.each(pureFiles)(
    '%s exists and does no I/O, nothing async, asks no clock and no chance',
    (path) => {
      const source = byPath.get(path)
      expect(source, `${path} is listed as pure but does not exist`).toBeDefined()
      expect(source?.hasAsync).toBe(false)
      expect(source?.ambient).toEqual([])
      const forbidden = source?.imports.filter(
        ({ to, isTypeOnly }) =>
          !isTypeOnly &&
          /^(node:(?!crypto$)|pg|drizzle-orm|hono|@hono|pino|src\/database)/.test(to),
      )
      expect(forbidden).toEqual([])
    },
  )
})

describe('time, randomness and environment', () => {
  it('are asked for only where the design says', () => {
    const faults = sources
      .filter(({ path }) => !ambientFiles.has(path))
      .flatMap(({ path, ambient }) => ambient.map((what) => `${path}: ${what}`))
    expect(faults).toEqual([])
  })
})

describe('size', () => {
  it('keeps every source file at 400 lines or less, and the median at 100 or less', () => {
    const sizes = sources.map(({ lineCount }) => lineCount).sort((a, b) => a - b)
    expect(sources.filter(({ lineCount }) => lineCount > 400).map(({ path }) => path)).toEqual([])
    expect(sizes[Math.floor(sizes.length / 2)]).toBeLessThanOrEqual(100)
  })

  it('has at least as many lines of tests as of source', () => {
    const count = (paths: string[]) =>
      paths.reduce(
        (sum, path) => sum + readFileSync(join(installationRoot, path), 'utf8').split('\n').length,
        0,
      )
    expect(count(filesUnder('test'))).toBeGreaterThanOrEqual(
      count([...filesUnder('src'), ...filesUnder('slack')]),
    )
  })
})

function cycleIn(edges: ReadonlyMap<string, ReadonlySet<string>>): string | undefined {
  const done = new Set<string>()
  function visit(room: string, path: readonly string[]): string | undefined {
    if (path.includes(room)) return [...path.slice(path.indexOf(room)), room].join(' → ')
    if (done.has(room)) return undefined
    for (const next of edges.get(room) ?? []) {
      const cycle = visit(next, [...path, room])
      if (cycle !== undefined) return cycle
    }
    done.add(room)
    return undefined
  }
  for (const room of edges.keys()) {
    const cycle = visit(room, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}
