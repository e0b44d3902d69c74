import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import type { ConnectionFacts } from '../../../src/database/embedded/index.ts'

/** Runs one statement on a connection of its own. */
export async function ask(
  facts: ConnectionFacts,
  statement: string,
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ ...facts })
  client.on('error', () => undefined) // the server may be killed under it; the query rejects too
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

/** The process number of the server of a data folder; undefined when none runs. */
export function serverProcess(dataDirectory: string): number | undefined {
  const file = join(dataDirectory, 'postgres/data/postmaster.pid')
  if (!existsSync(file)) return undefined
  const processId = Number(readFileSync(file, 'utf8').split('\n')[0])
  return processId > 1 && lives(processId) ? processId : undefined
}

export function lives(processId: number): boolean {
  try {
    process.kill(processId, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
  const stat = `/proc/${processId}/stat`
  return !existsSync(stat) || !/^\d+ \(.*\) Z/s.test(readFileSync(stat, 'utf8'))
}

/** The shells that watch over a server process: the one that started it and the one that waits to end it. */
export function supervisorsOf(processId: number): number[] {
  const supervisor = parentOf(processId) ?? Number.NaN
  const others = readdirSync('/proc')
    .map(Number)
    .filter((one) => one > 1 && one !== processId)
  return [supervisor, ...others.filter((one) => parentOf(one) === supervisor)]
}

function parentOf(processId: number): number | undefined {
  try {
    return Number(
      /^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${processId}/stat`, 'utf8'))?.[1],
    )
  } catch {
    return undefined // it ended meanwhile
  }
}
