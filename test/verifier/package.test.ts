import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installationRoot } from '../../src/installation.ts'

const compiler = join(installationRoot, 'node_modules/typescript/bin/tsc')
let folder: string
let packed: readonly string[]

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hallpass-verifier-'))
  const flags = ['--json', '--pack-destination', folder]
  const told = npm(installationRoot, 'pack', '-w', '@hallpass/verifier', ...flags)
  const pack: unknown = JSON.parse(
    told.slice(told.indexOf('[\n') === -1 ? told.indexOf('{') : told.indexOf('[\n')),
  )
  packed = filesIn(pack)
  write('package.json', { name: 'service', private: true, type: 'module' })
  const [tarball = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  npm(folder, 'install', '--offline', '--no-audit', '--no-fund', `./${tarball}`)
}, 120_000)

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe('the tarball', () => {
  it('holds compiled code, types, licence and readme, and nothing else', () => {
    expect(packed).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
    for (const entry of ['index', 'hono', 'express', 'fastify', 'node']) {
      expect(packed).toContain(`dist/${entry}.js`)
      expect(packed).toContain(`dist/${entry}.d.ts`)
    }
    const rest = packed.filter((path) => !/^dist\/[a-z-]+\.(?:js|d\.ts)$/.test(path))
    expect([...rest].sort()).toEqual(['LICENSE', 'README.md', 'package.json'])
  })

  it('installs nothing but itself', () => {
    const installed = readdirSync(join(folder, 'node_modules')).filter(
      (name) => !name.startsWith('.'),
    )
    expect(installed).toEqual(['@hallpass'])
    expect(readdirSync(join(folder, 'node_modules/@hallpass'))).toEqual(['verifier'])
  })

  it('runs, every entry point, without any framework', () => {
    const script = `
      import { createVerifier, VerifyError } from '@hallpass/verifier'
      const names = await Promise.all(['hono', 'express', 'fastify', 'node'].map(async (entry) =>
        typeof (await import('@hallpass/verifier/' + entry)).requireScope))
      let refusal
      try { createVerifier({ issuer: 'https://a.example.com' }) } catch (error) { refusal = error.name }
      console.log(JSON.stringify([...names, refusal, new VerifyError('token_missing', '').status]))`
    const told = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(JSON.parse(told)).toEqual([
      'function',
      'function',
      'function',
      'function',
      'TypeError',
      401,
    ])
  })
})

const service = `
import { createVerifier, VerifyError, type Access, type VerifyErrorCode } from '@hallpass/verifier'
const verifier = createVerifier({
  issuer: 'https://access.example.com',
  audience: 'https://billing.example.com',
  credential: { clientId: 'a', clientSecret: 'b' },
  onCutOff: 'refuse',
})
export async function whoMay(token: string): Promise<string> {
  try {
    const access: Access = await verifier.verify(token, { scope: 'invoices:read' })
    return access.subject + access.scopes.join() + access.grantId + access.expiresAt.toISOString()
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error
    const code: VerifyErrorCode = error.code
    return code + error.status + error.wwwAuthenticate
  }
}
verifier.on('memory', ({ from, to }) => { const change: string = from + to; return change })
// @ts-expect-error there is no such event
verifier.on('nothing', () => {})
// @ts-expect-error an audience is not optional
createVerifier({ issuer: 'https://access.example.com' })
export const memory: 'fresh' | 'stale' | 'lost' | 'off' = verifier.status().memory
export { verifier }
`

describe('in an empty project', () => {
  it('type-checks strictly, library included, with nothing installed', () => {
    write('service.ts', service)
    write(
      'adapters.ts',
      `
      import { requireScope } from '@hallpass/verifier/node'
      import * as express from '@hallpass/verifier/express'
      import * as fastify from '@hallpass/verifier/fastify'
      import { verifier } from './service.js'
      export const guards = [requireScope(verifier, 'a'), express.requireScope(verifier, 'a'), fastify.requireScope(verifier, 'a')]
    `,
    )
    typeCheck(['service.ts', 'adapters.ts'], { types: [], lib: ['es2023'], skipLibCheck: false })
  })

  it.each([
    [
      'hono',
      { lib: ['es2023', 'dom', 'dom.iterable'], types: [] },
      `
      import { Hono } from 'hono'
      import { accessOf, type HallpassVariables, requireScope, serveResourceMetadata } from '@hallpass/verifier/hono'
      import { verifier } from './service.js'
      const plain = new Hono()
      plain.use('/invoices/*', requireScope(verifier, 'invoices:read'))
      plain.get('/invoices/:id', requireScope(verifier, 'a', { describe: (c) => ({ object: c.req.url }) }), (c) => c.text(accessOf(c).subject))
      plain.get('/.well-known/oauth-protected-resource', serveResourceMetadata(verifier))
      const typed = new Hono<{ Variables: HallpassVariables }>().basePath('/v1')
      typed.use(requireScope(verifier, 'invoices:read'))
      typed.get('/', (c) => c.text(c.get('access').subject))`,
    ],
    [
      'express',
      { types: ['node'] },
      `
      import express from 'express'
      import { accessOf, requireScope, serveResourceMetadata } from '@hallpass/verifier/express'
      import { verifier } from './service.js'
      const app = express()
      app.use('/invoices', requireScope(verifier, 'invoices:read'))
      app.get('/invoices/:id', requireScope(verifier, 'a', { describe: (request: express.Request) => ({ object: String(request.params.id) }) }), (request, response) => {
        response.send(accessOf(request).subject)
      })
      app.get('/.well-known/oauth-protected-resource', serveResourceMetadata(verifier))`,
    ],
    [
      'fastify',
      { types: ['node'] },
      `
      import fastify, { type FastifyRequest } from 'fastify'
      import { accessOf, requireScope, serveResourceMetadata } from '@hallpass/verifier/fastify'
      import { verifier } from './service.js'
      const app = fastify()
      app.addHook('onRequest', requireScope(verifier, 'invoices:read'))
      app.get<{ Params: { id: string } }>('/invoices/:id', { preHandler: requireScope(verifier, 'a', { describe: (request: FastifyRequest) => ({ object: request.url }) }) }, async (request) => accessOf(request).subject + request.params.id)
      app.get('/.well-known/oauth-protected-resource', serveResourceMetadata(verifier))`,
    ],
    [
      'node',
      { types: ['node'] },
      `
      import { createServer } from 'node:http'
      import { requireScope } from '@hallpass/verifier/node'
      import { verifier } from './service.js'
      const guard = requireScope(verifier, 'invoices:read', { describe: (request) => ({ route: '/x', object: request.url ?? '' }) })
      createServer(async (request, response) => {
        const access = await guard(request, response)
        if (access !== undefined) response.end(access.subject)
      })`,
    ],
  ])('fits %s', (name, options, text) => {
    for (const dependency of ['hono', 'express', 'fastify', '@types/node', '@types/express']) {
      link(dependency)
    }
    write('service.ts', service)
    write(`with-${name}.ts`, text)
    typeCheck([`with-${name}.ts`], { skipLibCheck: true, lib: ['es2023'], ...options })
  })
})

function npm(cwd: string, ...args: readonly string[]): string {
  return execFileSync('npm', [...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function write(name: string, content: string | object): void {
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
}

function link(dependency: string): void {
  const at = join(folder, 'node_modules', dependency)
  mkdirSync(join(at, '..'), { recursive: true })
  rmSync(at, { recursive: true, force: true })
  symlinkSync(join(installationRoot, 'node_modules', dependency), at, 'dir')
}

/** Throws with what the compiler says. */
function typeCheck(files: readonly string[], options: object): void {
  const compilerOptions = {
    strict: true,
    noEmit: true,
    module: 'nodenext',
    target: 'es2023',
    esModuleInterop: true,
    ...options,
  }
  write('tsconfig.json', { compilerOptions, files })
  try {
    execFileSync(process.execPath, [compiler, '-p', '.'], { cwd: folder, encoding: 'utf8' })
  } catch (error) {
    throw new Error(String(error instanceof Error && 'stdout' in error ? error.stdout : error))
  }
}

/** Of `npm pack --json`, in the shape of any npm: a list, or by name. */
function filesIn(pack: unknown): readonly string[] {
  const [first] = Object.values(pack ?? {})
  const { files } = first as { readonly files: readonly { readonly path: string }[] }
  return files.map(({ path }) => path)
}
