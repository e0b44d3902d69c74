import type { Catalog } from './catalog.ts'
import type { Findings, Place } from './finding.ts'

/** Reports every circle of nested groups once, at the group of it that stands first. */
export function checkCycles(
  findings: Findings,
  groups: Catalog['groups'],
  places: ReadonlyMap<string, Place>,
): void {
  const finished = new Set<string>()
  for (const name of groups.keys()) {
    for (const cycle of cyclesFrom(groups, name, finished)) {
      const place = places.get(cycle[0] ?? name)
      if (place === undefined) continue
      const circle = [...cycle, cycle[0]].join(' → ')
      findings.fault(
        place,
        'group_cycle',
        `Groups nest in a circle: ${circle}. Take one of them out.`,
      )
    }
  }
}

/** Walks depth-first without recursion, so that a long chain of groups cannot exhaust the stack. */
function cyclesFrom(
  groups: Catalog['groups'],
  start: string,
  finished: Set<string>,
): readonly (readonly string[])[] {
  if (finished.has(start)) return []
  const cycles: string[][] = []
  const order = [...groups.keys()]
  const path: string[] = [start]
  const pending: string[][] = [nestedIn(groups, start)]
  while (path.length > 0) {
    const next = pending.at(-1)?.pop()
    if (next === undefined) {
      pending.pop()
      const done = path.pop()
      if (done !== undefined) finished.add(done)
    } else if (path.includes(next)) {
      cycles.push(firstInFile(path.slice(path.indexOf(next)), order))
    } else if (!finished.has(next)) {
      path.push(next)
      pending.push(nestedIn(groups, next))
    }
  }
  return cycles
}

function nestedIn(groups: Catalog['groups'], name: string): string[] {
  const members = groups.get(name)?.members ?? []
  return members.flatMap((member) => (member.kind === 'group' ? [member.name] : [])).reverse()
}

/** The same circle, begun at its member that stands first in the file. */
function firstInFile(cycle: readonly string[], order: readonly string[]): string[] {
  const ranks = cycle.map((name) => order.indexOf(name))
  const first = ranks.indexOf(Math.min(...ranks))
  return [...cycle.slice(first), ...cycle.slice(0, first)]
}
