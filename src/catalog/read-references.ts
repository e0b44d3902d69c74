import type { MemberReference } from './catalog.ts'
import type { Findings } from './finding.ts'
import { quote, readList, readText } from './read-values.ts'
import type { Value } from './yaml-source.ts'

/** Every name the file declares, gathered before anything that refers to them is read. */
export interface Names {
  readonly groups: ReadonlySet<string>
  readonly workloads: ReadonlySet<string>
  readonly resources: ReadonlySet<string>
  readonly roles: ReadonlySet<string>
}

const nameShape = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const personShape = /^[^\s@:,<>"'\\]+@[^\s@:,<>"'\\]+$/

/** Checks the name of something the file declares. */
export function checkName(findings: Findings, name: Value, text: string): boolean {
  if (nameShape.test(text)) return true
  findings.fault(
    name,
    'bad_name',
    `${quote(text.slice(0, 80))} cannot be a name. Use up to 63 letters, digits, dots, dashes and underscores, a letter or digit first.`,
  )
  return false
}

/** A person's id: an e-mail address, lower-cased as sign-in does. */
export function readPersonId(findings: Findings, value: Value, text: string): string | undefined {
  if (personShape.test(text) && text.length <= 254) return text.toLowerCase()
  findings.fault(value, 'bad_name', `${quote(text)} is not the e-mail address of a person.`)
  return undefined
}

/** A person's id or `workload:NAME`. */
export function readSubjectId(findings: Findings, names: Names, value: Value): string | undefined {
  const text = readText(findings, value, 254)
  if (text === undefined) return undefined
  if (!text.startsWith('workload:')) return readPersonId(findings, value, text)
  return workloadReference(findings, names, value, text.slice(9)) === undefined ? undefined : text
}

/** The name of a declared group, with or without `group:`. */
export function readGroupName(findings: Findings, names: Names, value: Value): string | undefined {
  const text = readText(findings, value)
  if (text === undefined) return undefined
  const name = text.startsWith('group:') ? text.slice(6) : text
  if (names.groups.has(name)) return name
  findings.fault(value, 'unknown_group', `There is no group ${quote(name)}.${known(names.groups)}`)
  return undefined
}

/**
 * Reads a list of people, `group:NAME` (or the bare name), `claim:NAME` and `workload:NAME`. Undefined when
 * any of them is bad, so that nothing is concluded from half a list.
 */
export function readReferences(
  findings: Findings,
  names: Names,
  value: Value,
): readonly MemberReference[] | undefined {
  const items = readList(findings, value)
  if (items === undefined) return undefined
  const { references, isWhole } = readEach(findings, names, items)
  return isWhole ? references : undefined
}

/** What could be read of a group's members, which may be none at all; `isWhole` says whether that is everything. */
export function readMembers(
  findings: Findings,
  names: Names,
  value: Value,
): { readonly references: readonly MemberReference[]; readonly isWhole: boolean } {
  const items = readList(findings, value, 0)
  return items === undefined ? { references: [], isWhole: false } : readEach(findings, names, items)
}

function readEach(findings: Findings, names: Names, items: readonly Value[]) {
  const references = new Map<string, MemberReference>()
  let isWhole = true
  for (const item of items) {
    const reference = readReference(findings, names, item)
    if (reference === undefined) {
      isWhole = false
      continue
    }
    const key = JSON.stringify(reference)
    if (references.has(key)) findings.warn(item, 'listed_twice', 'This stands in the list twice.')
    references.set(key, reference)
  }
  return { references: [...references.values()], isWhole }
}

function readReference(
  findings: Findings,
  names: Names,
  value: Value,
): MemberReference | undefined {
  const text = readText(findings, value, 254)
  if (text === undefined) return undefined
  if (text.startsWith('claim:')) {
    const name = text.slice(6)
    if (name.trim() !== '') return { kind: 'claim', name }
    findings.fault(value, 'bad_name', 'Name the identity provider’s group after `claim:`.')
    return undefined
  }
  if (text.startsWith('workload:')) {
    return workloadReference(findings, names, value, text.slice(9))
  }
  if (text.includes('@')) {
    const id = readPersonId(findings, value, text)
    return id === undefined ? undefined : { kind: 'person', id }
  }
  const name = readGroupName(findings, names, value)
  return name === undefined ? undefined : { kind: 'group', name }
}

function workloadReference(
  findings: Findings,
  names: Names,
  value: Value,
  name: string,
): MemberReference | undefined {
  if (names.workloads.has(name)) return { kind: 'workload', name }
  const message = `There is no workload ${quote(name)}.${known(names.workloads)}`
  findings.fault(value, 'unknown_workload', message)
  return undefined
}

/** A few of the names there are, for a message. */
export function known(names: ReadonlySet<string>): string {
  if (names.size === 0) return ' None is declared.'
  const listed = [...names].slice(0, 8).join(', ')
  return ` Declared: ${listed}${names.size > 8 ? ', …' : ''}.`
}
