import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** What is wrong with one setting, and how to mend it. */
export interface ConfigurationFault {
  readonly variable: string
  readonly message: string
}

/** Every fault of the environment at once. */
export class ConfigurationError extends Error {
  readonly faults: readonly ConfigurationFault[]

  constructor(faults: readonly ConfigurationFault[]) {
    super(
      ['Hallpass cannot start with this configuration:']
        .concat(faults.map(({ variable, message }) => `  ${variable}: ${message}`))
        .join('\n'),
    )
    this.name = 'ConfigurationError'
    this.faults = faults
  }
}

/** The environment of CONTRACTS §8, parsed once and frozen. */
export interface Config {
  readonly host: string
  readonly port: number
  readonly issuer: string
  readonly databaseUrl: string | undefined
  readonly ownerDatabaseUrl: string | undefined
  readonly directDatabaseUrl: string | undefined
  readonly dataDirectory: string
  /** The catalog's file; undefined means the bundled example (development mode alone). */
  readonly catalogFile: string | undefined
  readonly masterKey: Buffer | undefined
  readonly previousMasterKey: Buffer | undefined
  readonly identityProvider: IdentityProviderConfig | undefined
  readonly tokenAlgorithm: 'RS256' | 'ES256' | 'EdDSA'
  readonly webhook: { readonly url: string; readonly secret: string } | undefined
  readonly trustedProxies: readonly string[]
  readonly gatewayNetworks: readonly string[]
  readonly areRateLimitsOn: boolean
  readonly activityRetentionSeconds: number
  readonly isDevelopment: boolean
}

export interface IdentityProviderConfig {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly groupsClaim: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** Collects faults while values are read; a value with a fault reads as its fallback. */
class Reader {
  readonly faults: ConfigurationFault[] = []
  readonly #environment: Environment

  constructor(environment: Environment) {
    this.#environment = environment
  }

  fault(variable: string, message: string): undefined {
    this.faults.push({ variable, message })
    return undefined
  }

  text(variable: string): string | undefined {
    const value = this.#environment[variable]?.trim()
    return value === '' ? undefined : value
  }

  /** A secret: from the variable, or from the file that `NAME_FILE` names. */
  secret(variable: string): string | undefined {
    const direct = this.text(variable)
    const file = this.text(`${variable}_FILE`)
    if (direct !== undefined && file !== undefined) {
      return this.fault(variable, `is set together with ${variable}_FILE; keep one of them`)
    }
    if (file === undefined) return direct
    try {
      const value = readFileSync(file, 'utf8').trim()
      if (value !== '') return value
      return this.fault(`${variable}_FILE`, 'names a file that is empty; write the secret into it')
    } catch {
      return this.fault(
        `${variable}_FILE`,
        'names a file that cannot be read; check path and rights',
      )
    }
  }

  url(variable: string, protocols: readonly string[]): string | undefined {
    const value = this.text(variable)
    if (value === undefined) return undefined
    const isGood = URL.canParse(value) && protocols.includes(new URL(value).protocol)
    if (isGood) return value
    return this.fault(variable, `must be a URL that starts with ${protocols.join('// or ')}//`)
  }

  secretUrl(variable: string, protocols: readonly string[]): string | undefined {
    const value = this.secret(variable)
    if (value === undefined) return undefined
    if (URL.canParse(value) && protocols.includes(new URL(value).protocol)) return value
    return this.fault(variable, `must be a URL that starts with ${protocols.join('// or ')}//`)
  }

  key(variable: string): Buffer | undefined {
    const value = this.secret(variable)
    if (value === undefined) return undefined
    const key = Buffer.from(value, 'base64')
    if (key.length === 32 && /^[A-Za-z0-9+/_-]+=*$/.test(value)) return key
    return this.fault(
      variable,
      'must be 32 bytes in base64; make one with: openssl rand -base64 32',
    )
  }

  cidrs(variable: string): readonly string[] {
    const parts = (this.text(variable) ?? '').split(/[\s,]+/).filter((part) => part !== '')
    for (const part of parts) {
      const [, address = '', prefix = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(part) ?? []
      const family = isIP(address)
      const isGood = family !== 0 && Number(prefix) <= (family === 6 ? 128 : 32)
      if (!isGood)
        this.fault(
          variable,
          `holds ${JSON.stringify(part.slice(0, 60))}, which is no CIDR such as 10.0.0.0/8`,
        )
    }
    return parts
  }
}

const loopbackHosts = new Set(['127.0.0.1', '::1', 'localhost'])

/** True for an address or name that only this machine reaches. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase()
  return loopbackHosts.has(name) || /^127\.\d+\.\d+\.\d+$/.test(name) || name.endsWith('.localhost')
}

function readPort(reader: Reader): number {
  const text = reader.text('PORT')
  if (text === undefined) return 8080
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  reader.fault('PORT', 'must be a port number from 0 to 65535')
  return 8080
}

function readIssuer(reader: Reader, port: number): string {
  const value = reader.url('HALLPASS_ISSUER', ['http:', 'https:'])
  if (value === undefined) return `http://localhost:${port}`
  const url = new URL(value)
  if (/[?#@]/.test(value)) {
    reader.fault(
      'HALLPASS_ISSUER',
      'must have no query, fragment or credentials (RFC 8414 section 2)',
    )
  }
  // __Host- cookies are the whole host's: another application below it would be sent them too
  if (url.pathname.replace(/\/+$/, '') !== '') {
    reader.fault('HALLPASS_ISSUER', 'must have no path; give Hallpass a host name of its own')
  }
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    reader.fault('HALLPASS_ISSUER', 'must be https, unless it is a loopback address')
  }
  return value.replace(/\/+$/, '')
}

function readIdentityProvider(reader: Reader): IdentityProviderConfig | undefined {
  const issuer = reader.url('HALLPASS_OIDC_ISSUER', ['http:', 'https:'])
  const provider = issuer === undefined ? undefined : new URL(issuer)
  if (provider?.protocol === 'http:' && !isLoopbackHost(provider.hostname)) {
    reader.fault('HALLPASS_OIDC_ISSUER', 'must be https, unless it is a loopback address')
  }
  const clientId = reader.text('HALLPASS_OIDC_CLIENT_ID')
  const clientSecret = reader.secret('HALLPASS_OIDC_CLIENT_SECRET')
  const groupsClaim = reader.text('HALLPASS_OIDC_GROUPS_CLAIM') ?? 'groups'
  const given = {
    HALLPASS_OIDC_ISSUER: issuer,
    HALLPASS_OIDC_CLIENT_ID: clientId,
    HALLPASS_OIDC_CLIENT_SECRET: clientSecret,
  }
  if (issuer === undefined && clientId === undefined && clientSecret === undefined) return undefined
  for (const [variable, value] of Object.entries(given)) {
    if (value === undefined)
      reader.fault(variable, 'is missing; set it together with the other HALLPASS_OIDC_ variables')
  }
  if (issuer === undefined || clientId === undefined || clientSecret === undefined) return undefined
  return { issuer, clientId, clientSecret, groupsClaim }
}

function readWebhook(reader: Reader): Config['webhook'] {
  const url = reader.url('HALLPASS_WEBHOOK_URL', ['http:', 'https:'])
  const secret = reader.secret('HALLPASS_WEBHOOK_SECRET')
  if (url === undefined && secret === undefined) return undefined
  if (url === undefined)
    return reader.fault(
      'HALLPASS_WEBHOOK_URL',
      'is missing; set it together with HALLPASS_WEBHOOK_SECRET',
    )
  if (secret === undefined)
    return reader.fault(
      'HALLPASS_WEBHOOK_SECRET',
      'is missing; set it together with HALLPASS_WEBHOOK_URL',
    )
  if (!/^whsec_[A-Za-z0-9+/]{32,}=*$/.test(secret)) {
    return reader.fault('HALLPASS_WEBHOOK_SECRET', 'must be whsec_ and at least 24 bytes in base64')
  }
  return { url, secret }
}

function readAlgorithm(reader: Reader): Config['tokenAlgorithm'] {
  const value = reader.text('HALLPASS_TOKEN_ALG') ?? 'RS256'
  if (value === 'RS256' || value === 'ES256' || value === 'EdDSA') return value
  reader.fault('HALLPASS_TOKEN_ALG', 'must be RS256, ES256 or EdDSA')
  return 'RS256'
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

function readDuration(reader: Reader, variable: string, fallback: number): number {
  const text = reader.text(variable)
  if (text === undefined) return fallback
  const match = /^([1-9][0-9]{0,6})([smhd])$/.exec(text)
  const seconds = Number(match?.[1]) * (unitSeconds[match?.[2] ?? ''] ?? Number.NaN)
  if (Number.isSafeInteger(seconds)) return seconds
  reader.fault(variable, 'must be a duration such as 30s, 45m, 8h or 90d')
  return fallback
}

function readSwitch(reader: Reader, variable: string, fallback: boolean): boolean {
  const text = reader.text(variable)?.toLowerCase()
  if (text === undefined) return fallback
  if (['on', 'true', '1', 'yes'].includes(text)) return true
  if (['off', 'false', '0', 'no'].includes(text)) return false
  reader.fault(variable, 'must be on or off')
  return fallback
}

function defaultDataDirectory(environment: Environment): string {
  const base = environment.XDG_DATA_HOME
  return base !== undefined && base !== ''
    ? join(base, 'hallpass')
    : join(homedir(), '.local', 'share', 'hallpass')
}

/** Parses the environment; throws ConfigurationError with every fault at once, each with how to mend it. */
export function readConfig(
  environment: Environment,
  fileExists: (path: string) => boolean,
): Config {
  const reader = new Reader(environment)
  const host = reader.text('HALLPASS_HOST') ?? '127.0.0.1'
  const port = readPort(reader)
  const issuer = readIssuer(reader, port)
  const databaseUrl = reader.secretUrl('DATABASE_URL', ['postgres:', 'postgresql:'])
  const identityProvider = readIdentityProvider(reader)
  const isLoopback = isLoopbackHost(host) && isLoopbackHost(new URL(issuer).hostname)
  const mayDevelop = readSwitch(reader, 'HALLPASS_DEVELOPMENT', databaseUrl === undefined)
  const isDevelopment = identityProvider === undefined && isLoopback && mayDevelop
  const masterKey = reader.key('HALLPASS_MASTER_KEY')
  if (
    databaseUrl !== undefined &&
    masterKey === undefined &&
    !reader.faults.some(({ variable }) => variable.startsWith('HALLPASS_MASTER_KEY'))
  ) {
    reader.fault(
      'HALLPASS_MASTER_KEY',
      'is missing; with DATABASE_URL it must be set: 32 bytes in base64, for instance from openssl rand -base64 32',
    )
  }
  if (
    identityProvider === undefined &&
    !isDevelopment &&
    !reader.faults.some(({ variable }) => variable.startsWith('HALLPASS_OIDC'))
  ) {
    reader.fault('HALLPASS_OIDC_ISSUER', developmentHint(isLoopback))
  }
  const named = reader.text('HALLPASS_CONFIG')
  const config: Config = {
    host,
    port,
    issuer,
    databaseUrl,
    ownerDatabaseUrl: reader.secretUrl('HALLPASS_OWNER_DATABASE_URL', ['postgres:', 'postgresql:']),
    directDatabaseUrl: reader.secretUrl('HALLPASS_DIRECT_DATABASE_URL', [
      'postgres:',
      'postgresql:',
    ]),
    dataDirectory: resolve(reader.text('HALLPASS_DATA_DIR') ?? defaultDataDirectory(environment)),
    catalogFile: readCatalogFile(reader, named, isDevelopment, fileExists),
    masterKey,
    previousMasterKey: reader.key('HALLPASS_MASTER_KEY_PREVIOUS'),
    identityProvider,
    tokenAlgorithm: readAlgorithm(reader),
    webhook: readWebhook(reader),
    trustedProxies: reader.cidrs('HALLPASS_TRUSTED_PROXIES'),
    gatewayNetworks: reader.cidrs('HALLPASS_GATEWAY_NETWORKS'),
    areRateLimitsOn: readSwitch(reader, 'HALLPASS_RATE_LIMITS', true),
    activityRetentionSeconds: readDuration(reader, 'HALLPASS_ACTIVITY_RETENTION', 90 * 86_400),
    isDevelopment,
  }
  if (reader.faults.length > 0) throw new ConfigurationError(reader.faults)
  return Object.freeze(config)
}

function developmentHint(isLoopback: boolean): string {
  const base =
    'is missing; set HALLPASS_OIDC_ISSUER, _CLIENT_ID and _CLIENT_SECRET to your identity provider'
  return isLoopback
    ? `${base}, or HALLPASS_DEVELOPMENT=true to try Hallpass with development sign-in`
    : `${base} (development sign-in exists on loopback only)`
}

function readCatalogFile(
  reader: Reader,
  named: string | undefined,
  isDevelopment: boolean,
  fileExists: (path: string) => boolean,
): string | undefined {
  const path = resolve(named ?? 'hallpass.yaml')
  if (fileExists(path)) return path
  if (named === undefined && isDevelopment) return undefined
  return reader.fault(
    'HALLPASS_CONFIG',
    `names no catalog file (${path}); write a hallpass.yaml or point the variable at it`,
  )
}
