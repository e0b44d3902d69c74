import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type Config, ConfigurationError, isLoopbackHost, readConfig } from '../src/config.ts'

const masterKey = Buffer.alloc(32, 1).toString('base64')
const provider = {
  HALLPASS_OIDC_ISSUER: 'https://id.example.com',
  HALLPASS_OIDC_CLIENT_ID: 'hallpass',
  HALLPASS_OIDC_CLIENT_SECRET: 'a-client-secret',
}
const production = {
  ...provider,
  DATABASE_URL: 'postgres://app:hunter2@db.example.com/hallpass',
  HALLPASS_MASTER_KEY: masterKey,
  HALLPASS_CONFIG: '/etc/hallpass/hallpass.yaml',
}
const exists = () => true
const nothingExists = () => false

function read(environment: Record<string, string>, fileExists = exists): Config {
  return readConfig(environment, fileExists)
}

function faultsOf(environment: Record<string, string>, fileExists = exists) {
  try {
    readConfig(environment, fileExists)
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults
    throw error
  }
  throw new Error('the configuration was accepted')
}

describe('an empty environment', () => {
  it('is development mode with the embedded server and the bundled example', () => {
    const config = read({}, nothingExists)
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      issuer: 'http://localhost:8080',
      databaseUrl: undefined,
      catalogFile: undefined,
      isDevelopment: true,
      tokenAlgorithm: 'RS256',
      areRateLimitsOn: true,
      activityRetentionSeconds: 90 * 86_400,
    })
  })

  it('takes ./hallpass.yaml when there is one', () => {
    expect(read({}, exists).catalogFile).toBe(resolve('hallpass.yaml'))
  })

  it('gives a frozen configuration', () => {
    expect(Object.isFrozen(read({}, nothingExists))).toBe(true)
  })
})

describe('development mode', () => {
  it('follows the port in the default issuer', () => {
    expect(read({ PORT: '9000' }, nothingExists).issuer).toBe('http://localhost:9000')
  })

  it.each([
    ['a host that is not loopback', { HALLPASS_HOST: '0.0.0.0' }],
    ['an issuer that is not loopback', { HALLPASS_ISSUER: 'https://access.example.com' }],
    ['HALLPASS_DEVELOPMENT=false', { HALLPASS_DEVELOPMENT: 'false' }],
    [
      'DATABASE_URL without HALLPASS_DEVELOPMENT',
      { DATABASE_URL: production.DATABASE_URL, HALLPASS_MASTER_KEY: masterKey },
    ],
  ])('is off with %s, and then names the identity provider that is missing', (_, environment) => {
    const faults = faultsOf(environment)
    expect(faults.map(({ variable }) => variable)).toEqual(['HALLPASS_OIDC_ISSUER'])
  })

  it('is on with DATABASE_URL when HALLPASS_DEVELOPMENT says so', () => {
    const config = read({
      DATABASE_URL: production.DATABASE_URL,
      HALLPASS_MASTER_KEY: masterKey,
      HALLPASS_DEVELOPMENT: 'true',
    })
    expect(config.isDevelopment).toBe(true)
  })

  it('is off with an identity provider, even on loopback', () => {
    expect(read({ ...provider, HALLPASS_DEVELOPMENT: 'true' }).isDevelopment).toBe(false)
  })
})

describe('production', () => {
  it('is accepted when everything is there', () => {
    expect(read(production)).toMatchObject({
      isDevelopment: false,
      identityProvider: { issuer: 'https://id.example.com', groupsClaim: 'groups' },
    })
  })

  it('refuses a missing catalog and names the variable', () => {
    expect(faultsOf(production, nothingExists)).toEqual([
      {
        variable: 'HALLPASS_CONFIG',
        message: expect.stringContaining('/etc/hallpass/hallpass.yaml'),
      },
    ])
  })

  it('refuses DATABASE_URL without a master key, and says how to make one', () => {
    const { HALLPASS_MASTER_KEY: _, ...rest } = production
    const [fault] = faultsOf(rest)
    expect(fault?.variable).toBe('HALLPASS_MASTER_KEY')
    expect(fault?.message).toContain('openssl rand -base64 32')
  })

  it('refuses half an identity provider', () => {
    const { HALLPASS_OIDC_CLIENT_SECRET: _, ...rest } = production
    expect(faultsOf(rest).map(({ variable }) => variable)).toEqual(['HALLPASS_OIDC_CLIENT_SECRET'])
  })
})

describe('faults', () => {
  it('are told all at once, each with its variable', () => {
    const faults = faultsOf({
      ...production,
      PORT: '70000',
      HALLPASS_TOKEN_ALG: 'HS256',
      HALLPASS_MASTER_KEY: 'too-short',
      HALLPASS_ISSUER: 'http://access.example.com',
      HALLPASS_TRUSTED_PROXIES: '10.0.0.0/8, nowhere',
      HALLPASS_RATE_LIMITS: 'maybe',
      HALLPASS_ACTIVITY_RETENTION: '-3d',
      HALLPASS_WEBHOOK_URL: 'ftp://hooks.example.com',
    })
    expect(faults.map(({ variable }) => variable).sort()).toEqual([
      'HALLPASS_ACTIVITY_RETENTION',
      'HALLPASS_ISSUER',
      'HALLPASS_MASTER_KEY',
      'HALLPASS_RATE_LIMITS',
      'HALLPASS_TOKEN_ALG',
      'HALLPASS_TRUSTED_PROXIES',
      'HALLPASS_WEBHOOK_URL',
      'PORT',
    ])
    for (const { message } of faults) expect(message.length).toBeGreaterThan(10)
  })

  it.each([
    ['a query', 'https://access.example.com/?tenant=1'],
    ['a fragment', 'https://access.example.com/#top'],
    ['credentials', 'https://user:pass@access.example.com'],
    ['an empty query', 'https://access.example.com/?'],
    ['a password alone', 'https://:pass@access.example.com'],
    ['no scheme', 'access.example.com'],
    ['a path, where pages and cookies would not be its own', 'https://example.com/access'],
  ])('name an issuer with %s', (_, issuer) => {
    expect(faultsOf({ ...production, HALLPASS_ISSUER: issuer })[0]?.variable).toBe(
      'HALLPASS_ISSUER',
    )
  })

  it.each(['10.0.0.0/', '10.0.0.0/8/9', '10.0.0.0/1e1', '10.0.0.0/ 8', '10.0.0.0/33', '::/129'])(
    'name a network that would mean more than it says (%s)',
    (network) => {
      const faults = faultsOf({ ...production, HALLPASS_TRUSTED_PROXIES: network })
      expect(faults[0]?.variable).toBe('HALLPASS_TRUSTED_PROXIES')
    },
  )

  it('name an identity provider that is reached without TLS, but on this very machine', () => {
    const over = (issuer: string) => ({ ...production, HALLPASS_OIDC_ISSUER: issuer })
    expect(faultsOf(over('http://id.example.com')).map(({ variable }) => variable)).toEqual([
      'HALLPASS_OIDC_ISSUER',
    ])
    expect(read(over('http://localhost:5556/dex')).identityProvider?.issuer).toBe(
      'http://localhost:5556/dex',
    )
  })

  it('never repeat a secret', () => {
    try {
      read({
        ...production,
        DATABASE_URL: 'mysql://app:hunter2@db',
        HALLPASS_MASTER_KEY: 'hunter3',
      })
      expect.unreachable()
    } catch (error) {
      expect(String(error)).not.toMatch(/hunter/)
    }
  })

  it.each(['0.5', '-1', '65536', '80a', '1e3'])('refuse the port %s', (port) => {
    expect(faultsOf({ ...production, PORT: port })[0]?.variable).toBe('PORT')
  })
})

describe('secrets from files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hallpass-config-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('are read and trimmed', () => {
    const file = join(folder, 'key')
    writeFileSync(file, `${masterKey}\n`)
    const { HALLPASS_MASTER_KEY: _, ...rest } = production
    const config = read({ ...rest, HALLPASS_MASTER_KEY_FILE: file })
    expect(config.masterKey).toEqual(Buffer.alloc(32, 1))
  })

  it('are refused next to the variable itself', () => {
    const faults = faultsOf({ ...production, HALLPASS_MASTER_KEY_FILE: join(folder, 'key') })
    expect(faults[0]?.message).toContain('keep one of them')
  })

  it('name the file variable when the file is empty', () => {
    const file = join(folder, 'empty')
    writeFileSync(file, '\n')
    const { HALLPASS_OIDC_CLIENT_SECRET: _, ...rest } = production
    const faults = faultsOf({ ...rest, HALLPASS_OIDC_CLIENT_SECRET_FILE: file })
    expect(faults.map(({ variable }) => variable)).toContain('HALLPASS_OIDC_CLIENT_SECRET_FILE')
  })

  it('name the file variable when the file cannot be read', () => {
    const { HALLPASS_OIDC_CLIENT_SECRET: _, ...rest } = production
    const faults = faultsOf({ ...rest, HALLPASS_OIDC_CLIENT_SECRET_FILE: join(folder, 'none') })
    expect(faults.map(({ variable }) => variable)).toContain('HALLPASS_OIDC_CLIENT_SECRET_FILE')
  })
})

describe('values', () => {
  it('drop the trailing slash of the issuer', () => {
    expect(read({ ...production, HALLPASS_ISSUER: 'https://access.example.com/' }).issuer).toBe(
      'https://access.example.com',
    )
  })

  it('take durations, switches and networks', () => {
    const config = read({
      ...production,
      HALLPASS_ACTIVITY_RETENTION: '30d',
      HALLPASS_RATE_LIMITS: 'off',
      HALLPASS_TRUSTED_PROXIES: '10.0.0.0/8 ::1',
    })
    expect(config).toMatchObject({
      activityRetentionSeconds: 30 * 86_400,
      areRateLimitsOn: false,
      trustedProxies: ['10.0.0.0/8', '::1'],
    })
  })

  it.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['[::1]', true],
    ['localhost', true],
    ['app.localhost', true],
    ['localhost.example.com', false],
    ['0.0.0.0', false],
    ['127.0.0.1.example.com', false],
  ])('know whether %s is loopback: %s', (host, expected) => {
    expect(isLoopbackHost(host)).toBe(expected)
  })
})
