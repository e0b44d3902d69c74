import type { Catalog, MemberReference } from './catalog.ts'
import { checkCycles } from './check-groups.ts'
import { checkPolicies, checkRoles } from './check-policies.ts'
import { checkSeats } from './check-seats.ts'
import {
  byPosition,
  type CatalogFault,
  type CatalogWarning,
  Findings,
  type Place,
} from './finding.ts'
import { type PolicySection, readPolicies, readSlackChannel } from './read-policies.ts'
import type { FileReader } from './read-proof.ts'
import { type Names, readReferences } from './read-references.ts'
import { readResources, readRoles } from './read-resources.ts'
import {
  readClients,
  readGroups,
  readPeople,
  readWorkloads,
  refuseTakenName,
} from './read-subjects.ts'
import {
  ifPresent,
  type Mapping,
  optional,
  readInteger,
  readMapping,
  required,
} from './read-values.ts'
import { readYaml, type Value } from './yaml-source.ts'

const topLevelKeys = [
  'version',
  'people',
  'groups',
  'admins',
  'security_channel',
  'workloads',
  'clients',
  'resources',
  'roles',
  'policies',
] as const

export interface ParseOptions {
  /** Hallpass's own address: no resource may have it as its audience. */
  readonly issuer?: string
  /** Gives the text of files that the catalog names; without it none can be read. */
  readonly readFile?: FileReader
}

/** `catalog` is there exactly when there are no faults. Both lists are in the order of the file. */
export interface ParsedCatalog {
  readonly catalog: Catalog | undefined
  readonly faults: readonly CatalogFault[]
  readonly warnings: readonly CatalogWarning[]
}

/**
 * Reads and checks a whole catalog, CONTRACTS §1: every fault at once, each with its line and column. The
 * catalog has version 0; the store sets the version under which it was applied.
 */
export function parseCatalog(text: string, options: ParseOptions = {}): ParsedCatalog {
  const findings = new Findings()
  const root = readYaml(text, findings)
  const top = root && readMapping(findings, root, topLevelKeys)
  const catalog = top && readSections(findings, top, options)
  const faults = findings.faults.sort(byPosition)
  const warnings = findings.warnings.sort(byPosition)
  return { catalog: faults.length === 0 ? catalog : undefined, faults, warnings }
}

function readSections(findings: Findings, top: Mapping, options: ParseOptions): Catalog {
  ifPresent(required(findings, top, 'version'), (value) =>
    readInteger(findings, value, { min: 1, max: 1 }),
  )
  const section = (key: string): Mapping => sectionOf(findings, top, key)
  const groupSection = section('groups')
  const workloadSection = section('workloads')
  const resourceSection = section('resources')
  const roleSection = section('roles')
  const names: Names = {
    groups: new Set(groupSection.entries.keys()),
    workloads: new Set(workloadSection.entries.keys()),
    resources: new Set(resourceSection.entries.keys()),
    roles: new Set(roleSection.entries.keys()),
  }
  for (const { key, name } of workloadSection.entries.values()) refuseTakenName(findings, name, key)
  const { groups, readable, places } = readGroups(findings, names, groupSection)
  const { resources, offered } = readResources(findings, names, resourceSection, options.issuer)
  const { policies, seatings } = readPolicySection(findings, names, optional(top, 'policies'))
  const catalog: Catalog = {
    version: 0,
    humans:
      ifPresent(optional(top, 'people'), (value) => readPeople(findings, names, value)) ??
      new Map(),
    groups,
    admins: readAdmins(findings, names, top),
    securityChannel: ifPresent(optional(top, 'security_channel'), (value) =>
      readSlackChannel(findings, value),
    ),
    workloads: readWorkloads(
      findings,
      names,
      workloadSection,
      options.readFile ?? (() => undefined),
    ),
    clients: readClients(findings, names, section('clients')),
    resources,
    roles: readRoles(findings, names, roleSection, offered),
    policies: policies.map(({ policy }) => policy),
  }
  checkCycles(findings, readable, places)
  for (const seating of seatings) checkSeats(findings, catalog, seating)
  checkPolicies(findings, catalog, policies)
  // a policy with a fault may be the one that names the role
  if (policies.length === seatings.length) {
    checkRoles(findings, catalog, placesOf(roleSection))
  }
  return catalog
}

/** A section's mapping, empty when the key is absent or its value is bad. */
function sectionOf(findings: Findings, top: Mapping, key: string): Mapping {
  const value = optional(top, key)
  const mapping = value && readMapping(findings, value)
  return mapping ?? { place: value ?? top.place, entries: new Map() }
}

function placesOf(section: Mapping): ReadonlyMap<string, Place> {
  return new Map([...section.entries.values()].map(({ key, name }) => [key, name]))
}

function readPolicySection(
  findings: Findings,
  names: Names,
  value: Value | undefined,
): PolicySection {
  return value === undefined ? { policies: [], seatings: [] } : readPolicies(findings, names, value)
}

function readAdmins(findings: Findings, names: Names, top: Mapping): readonly MemberReference[] {
  const value = optional(top, 'admins')
  if (value === undefined) {
    findings.warn(
      top.place,
      'no_admins',
      'No `admins`: nobody can revoke a subject, disable one or read the audit log.',
    )
    return []
  }
  return readReferences(findings, names, value) ?? []
}
