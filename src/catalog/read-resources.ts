import type { Resource, Role, Thresholds } from './catalog.ts'
import type { Findings } from './finding.ts'
import { checkName, known, type Names, readGroupName } from './read-references.ts'
import {
  ifPresent,
  type Mapping,
  optional,
  quote,
  readBytes,
  readChoice,
  readInteger,
  readList,
  readMapping,
  readText,
  required,
} from './read-values.ts'
import type { Value } from './yaml-source.ts'

const resourceKeys = [
  'title',
  'audience',
  'owner',
  'sensitivity',
  'scopes',
  'record_objects',
  'when_cut_off',
  'thresholds',
] as const

// RFC 6749 §3.3: printable ASCII without space, quote and backslash
const scopeShape = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/

/** Resources, one with a fault left out; and the scopes of every resource whose scopes could be read. */
export interface ResourceSection {
  readonly resources: ReadonlyMap<string, Resource>
  readonly offered: ReadonlyMap<string, ReadonlyMap<string, string>>
}

export function readResources(
  findings: Findings,
  names: Names,
  section: Mapping,
  issuer: string | undefined,
): ResourceSection {
  const resources = new Map<string, Resource>()
  const offered = new Map<string, ReadonlyMap<string, string>>()
  const audiences = new Map<string, string>()
  for (const { key, name, value } of section.entries.values()) {
    checkName(findings, name, key)
    const mapping = readMapping(findings, value, resourceKeys)
    if (mapping === undefined) continue
    const audienceValue = required(findings, mapping, 'audience')
    const audience = audienceValue && readAudience(findings, audienceValue, issuer)
    if (audienceValue !== undefined && audience !== undefined) {
      const other = audiences.get(new URL(audience).href)
      if (other !== undefined) {
        findings.fault(
          audienceValue,
          'duplicate_audience',
          `${other} has this audience already. A token for one would open the other; give each its own.`,
        )
      }
      audiences.set(new URL(audience).href, key)
    }
    const scopesValue = required(findings, mapping, 'scopes')
    const scopes = scopesValue && readScopes(findings, scopesValue)
    if (scopes !== undefined) offered.set(key, scopes)
    const resource = readResource(findings, names, key, mapping, { audience, scopes })
    if (resource !== undefined) resources.set(key, resource)
  }
  return { resources, offered }
}

function readResource(
  findings: Findings,
  names: Names,
  name: string,
  mapping: Mapping,
  {
    audience,
    scopes,
  }: {
    readonly audience: string | undefined
    readonly scopes: ReadonlyMap<string, string> | undefined
  },
): Resource | undefined {
  const ownerValue = required(findings, mapping, 'owner')
  const owner = ownerValue && readGroupName(findings, names, ownerValue)
  const title = ifPresent(optional(mapping, 'title'), (value) => readText(findings, value))
  // what nobody classified is treated as the most sensitive
  const sensitivity =
    ifPresent(optional(mapping, 'sensitivity'), (value) =>
      readChoice(findings, value, ['low', 'medium', 'high']),
    ) ?? 'high'
  const recordObjects = ifPresent(optional(mapping, 'record_objects'), (value) =>
    readChoice(findings, value, ['hashed', 'clear']),
  )
  const whenCutOff = ifPresent(optional(mapping, 'when_cut_off'), (value) =>
    readChoice(findings, value, ['refuse', 'accept_until_expiry']),
  )
  const thresholds = ifPresent(optional(mapping, 'thresholds'), (value) =>
    readThresholds(findings, value),
  )
  if (audience === undefined || owner === undefined || scopes === undefined) return undefined
  return {
    name,
    title: title ?? name,
    audience,
    owner,
    sensitivity,
    scopes,
    recordObjects: recordObjects ?? 'hashed',
    whenCutOff: whenCutOff ?? (sensitivity === 'high' ? 'refuse' : 'accept_until_expiry'),
    thresholds,
  }
}

function readAudience(
  findings: Findings,
  value: Value,
  issuer: string | undefined,
): string | undefined {
  const audience = readText(findings, value, 500)
  if (audience === undefined) return undefined
  if (!URL.canParse(audience) || audience.includes('#') || /\s/.test(audience)) {
    findings.fault(
      value,
      'bad_value',
      `${quote(audience)} is not an absolute URI without a fragment, such as https://billing.example.com.`,
    )
    return undefined
  }
  if (issuer !== undefined && new URL(issuer).href === new URL(audience).href) {
    findings.fault(
      value,
      'audience_is_issuer',
      'This is the address of Hallpass itself. A resource needs an audience of its own.',
    )
    return undefined
  }
  return audience
}

function readScopes(findings: Findings, value: Value): ReadonlyMap<string, string> | undefined {
  const mapping = readMapping(findings, value)
  if (mapping === undefined) return undefined
  if (mapping.entries.size === 0) {
    findings.fault(value, 'bad_value', 'A resource needs at least one scope.')
    return undefined
  }
  const scopes = new Map<string, string>()
  for (const { key, name, value: meaning } of mapping.entries.values()) {
    if (!scopeShape.test(key)) {
      findings.fault(
        name,
        'bad_name',
        `${quote(key)} cannot be a scope: up to 128 printable ASCII characters, no space, quote or backslash.`,
      )
    }
    const text = readText(findings, meaning, 300)
    scopes.set(key, text ?? '')
  }
  return scopes
}

function readThresholds(findings: Findings, value: Value): Thresholds | undefined {
  const keys = ['denied_per_hour', 'calls_per_minute', 'bytes_out_per_hour', 'on_cross']
  const mapping = readMapping(findings, value, keys)
  if (mapping === undefined) return undefined
  const count = (key: string): number | undefined =>
    ifPresent(optional(mapping, key), (number) =>
      readInteger(findings, number, { min: 1, max: 1_000_000_000 }),
    )
  return {
    deniedPerHour: count('denied_per_hour'),
    callsPerMinute: count('calls_per_minute'),
    bytesOutPerHour: ifPresent(optional(mapping, 'bytes_out_per_hour'), (bytes) =>
      readBytes(findings, bytes),
    ),
    onCross:
      ifPresent(optional(mapping, 'on_cross'), (choice) =>
        readChoice(findings, choice, ['alert', 'suspend']),
      ) ?? 'alert',
  }
}

/** Roles; their scopes must be among those that their resource offers. */
export function readRoles(
  findings: Findings,
  names: Names,
  section: Mapping,
  offered: ResourceSection['offered'],
): ReadonlyMap<string, Role> {
  const roles = new Map<string, Role>()
  for (const { key, name, value } of section.entries.values()) {
    checkName(findings, name, key)
    const mapping = readMapping(findings, value, ['resource', 'scopes'])
    if (mapping === undefined) continue
    const resource = readResourceName(findings, names, mapping)
    const scopesValue = required(findings, mapping, 'scopes')
    const scopes = scopesValue && readRoleScopes(findings, scopesValue, offered.get(resource ?? ''))
    if (resource !== undefined && scopes !== undefined)
      roles.set(key, { name: key, resource, scopes })
  }
  return roles
}

function readResourceName(findings: Findings, names: Names, role: Mapping): string | undefined {
  const value = required(findings, role, 'resource')
  const resource = value && readText(findings, value)
  if (value === undefined || resource === undefined) return undefined
  if (names.resources.has(resource)) return resource
  const message = `There is no resource ${quote(resource)}.${known(names.resources)}`
  findings.fault(value, 'unknown_resource', message)
  return undefined
}

function readRoleScopes(
  findings: Findings,
  value: Value,
  offered: ReadonlyMap<string, string> | undefined,
): readonly string[] | undefined {
  const scopes = new Set<string>()
  for (const item of readList(findings, value) ?? []) {
    const scope = readText(findings, item)
    if (scope === undefined) continue
    if (scopes.has(scope)) findings.warn(item, 'listed_twice', 'This stands in the list twice.')
    if (offered !== undefined && !offered.has(scope)) {
      const message = `The resource has no scope ${quote(scope)}.${known(new Set(offered.keys()))}`
      findings.fault(item, 'unknown_scope', message)
    }
    scopes.add(scope)
  }
  return scopes.size === 0 ? undefined : [...scopes]
}
