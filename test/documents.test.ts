import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { installationRoot } from '../src/installation.ts'
import { jobTable } from '../src/jobs/index.ts'

const read = (path: string) => readFileSync(join(installationRoot, path), 'utf8')
const documents = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...readdirSync(join(installationRoot, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
]

/** Names of environment variables in a text; `_SECRET` after a full name counts as its sibling, so it is left out. */
const variablesIn = (text: string) =>
  new Set(text.match(/\b(?:HALLPASS_[A-Z_]*[A-Z]|DATABASE_URL|PORT)\b/g) ?? [])

describe('documents', () => {
  it.each(documents)('%s leads nowhere that is not there', (path) => {
    const text = read(path).replace(/```[\s\S]*?```/g, '')
    const targets = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(
      ([, target = '']) => target,
    )
    const broken = targets
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(join(installationRoot, dirname(path), target)))
    expect(broken).toEqual([])
  })

  it('name only variables that are read', () => {
    const sources = ['src/config.ts', 'src/cli/session-file.ts', 'src/cli/program.ts']
    const ofTests = [
      'HALLPASS_TEST_DATABASE_URL',
      'HALLPASS_MODEL_SEED',
      'HALLPASS_MODEL_EFFORT',
      'HALLPASS_MODEL_SHRINK',
    ]
    const known = variablesIn([...sources.map(read), ...ofTests].join('\n'))
    for (const base of [...known]) known.add(`${base}_FILE`)
    for (const path of ['README.md', 'CONTRIBUTING.md', 'docs/operating.md']) {
      const unknown = [...variablesIn(read(path))].filter((name) => !known.has(name))
      expect({ path, unknown }).toEqual({ path, unknown: [] })
    }
  })

  it('tell every setting in the README, or how its siblings are called', () => {
    const readme = read('README.md')
    const isTold = (name: string) =>
      readme.includes(name) ||
      [...name.matchAll(/_/g)].some(({ index }) => {
        const suffix = name.slice(index)
        return readme.includes(`\`${suffix}\``) || readme.includes(`…${suffix}`)
      })
    const missing = [...variablesIn(read('src/config.ts'))].filter((name) => !isTold(name))
    // read already, for gateways and activity, which come later
    const later = ['HALLPASS_GATEWAY_NETWORKS', 'HALLPASS_ACTIVITY_RETENTION']
    expect(missing.filter((name) => !later.includes(name))).toEqual([])
  })

  it('list every job, and none that is not', () => {
    const section = read('docs/operating.md').split('## Jobs')[1]?.split('\n## ')[0] ?? ''
    const told = [...section.matchAll(/^\| (.+?) \|/gm)]
      .flatMap(([, cell = '']) => [...cell.matchAll(/`([a-z-]+)`/g)])
      .map(([, name]) => name)
    const jobs = jobTable({ checkpointFile: 'x' }).map(({ name }) => name)
    expect(told.toSorted()).toEqual(jobs.toSorted())
  })

  it('name every metric of ours, and none that is not', () => {
    const source = read('src/metrics.ts') + read('src/http/operations-routes.ts')
    const named = [...source.matchAll(/name: 'hallpass_([a-z_]+)'|gauge\(\s*'([a-z_]+)'/g)]
    const metrics = new Set(named.map(([, whole, part]) => `hallpass_${whole ?? part}`))
    const told = new Set(read('docs/operating.md').match(/\bhallpass_[a-z_]+[a-z]\b/g) ?? [])
    for (const role of ['hallpass_owner', 'hallpass_app']) told.delete(role)
    expect([...told].sort()).toEqual([...metrics].sort())
  })
})
