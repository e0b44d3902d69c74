import type { DeviceClient, Group, Workload } from './catalog.ts'
import type { Findings } from './finding.ts'
import { type FileReader, readProof } from './read-proof.ts'
import {
  checkName,
  type Names,
  readGroupName,
  readMembers,
  readPersonId,
  readSubjectId,
} from './read-references.ts'
import {
  type Mapping,
  optional,
  quote,
  readList,
  readMapping,
  readText,
  required,
} from './read-values.ts'
import type { Value } from './yaml-source.ts'

/** `people`: account → the one id of its human. Both sides are listed; overlapping humans are faults. */
export function readPeople(
  findings: Findings,
  names: Names,
  people: Value,
): ReadonlyMap<string, string> {
  const humans = new Map<string, string>()
  const claim = (value: Value, account: string, human: string): void => {
    const other = humans.get(account)
    if (other === undefined) humans.set(account, human)
    else if (other === human) {
      findings.warn(value, 'listed_twice', `${account} stands here twice.`)
    } else {
      findings.fault(
        value,
        'same_human',
        `${account} already belongs to ${other}. One account is one human’s; join the two entries.`,
      )
    }
  }
  for (const { key, name, value } of readMapping(findings, people)?.entries.values() ?? []) {
    const human = readPersonId(findings, name, key)
    if (human === undefined) continue
    claim(name, human, human)
    for (const item of readList(findings, value) ?? []) {
      const account = readSubjectId(findings, names, item)
      if (account !== undefined && account !== human) claim(item, account, human)
    }
  }
  return humans
}

/** Groups, and where each stands. A group with a fault among its members is left out of `groups`. */
export interface GroupSection {
  readonly groups: ReadonlyMap<string, Group>
  /** Every group with the members that could be read: enough to see circles. */
  readonly readable: ReadonlyMap<string, Group>
  readonly places: ReadonlyMap<string, Value>
}

export function readGroups(findings: Findings, names: Names, section: Mapping): GroupSection {
  const groups = new Map<string, Group>()
  const readable = new Map<string, Group>()
  const places = new Map<string, Value>()
  for (const { key, name, value } of section.entries.values()) {
    checkName(findings, name, key)
    places.set(key, name)
    const { references: members, isWhole } = readMembers(findings, names, value)
    readable.set(key, { name: key, members })
    if (isWhole) groups.set(key, { name: key, members })
  }
  return { groups, readable, places }
}

export function readWorkloads(
  findings: Findings,
  names: Names,
  section: Mapping,
  readFile: FileReader,
): ReadonlyMap<string, Workload> {
  const workloads = new Map<string, Workload>()
  for (const { key, name, value } of section.entries.values()) {
    checkName(findings, name, key)
    const keys = ['owner', 'jwks_file', 'jwks_uri', 'federation']
    const mapping = readMapping(findings, value, keys)
    if (mapping === undefined) continue
    const owner = required(findings, mapping, 'owner')
    const ownerName = owner === undefined ? undefined : readGroupName(findings, names, owner)
    const proof = readProof(findings, mapping, readFile)
    if (ownerName !== undefined) workloads.set(key, { name: key, owner: ownerName, proof })
  }
  return workloads
}

const reservedClients: ReadonlySet<string> = new Set(['hallpass', 'hallpass-cli'])

/** Public device clients. Their names share one namespace with workloads and Hallpass's own clients. */
export function readClients(
  findings: Findings,
  names: Names,
  section: Mapping,
): ReadonlyMap<string, DeviceClient> {
  const clients = new Map<string, DeviceClient>()
  for (const { key, name, value } of section.entries.values()) {
    checkName(findings, name, key)
    refuseTakenName(findings, name, key)
    if (names.workloads.has(key)) {
      findings.fault(
        name,
        'name_taken',
        `${quote(key)} is a workload already, and the two share their names. Rename one.`,
      )
    }
    const mapping = readMapping(findings, value, ['title'])
    if (mapping === undefined) continue
    const titleValue = optional(mapping, 'title')
    const title = titleValue === undefined ? key : readText(findings, titleValue)
    clients.set(key, { name: key, title: title ?? key })
  }
  return clients
}

/** Hallpass itself is a client under these names. */
export function refuseTakenName(findings: Findings, name: Value, text: string): void {
  if (!reservedClients.has(text)) return
  findings.fault(
    name,
    'name_taken',
    `${quote(text)} is Hallpass’s own client. Choose another name.`,
  )
}
