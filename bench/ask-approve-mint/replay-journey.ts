import type pg from 'pg'
import { type IdPrefix, systemClock, systemIds } from '../../src/context.ts'
import { requesterOf, reviewerOf } from '../support/broker.ts'
import type { RecordedJourney, RecordedStatement } from './record-journey.ts'

const idForm = /\b(req|rev|grt|jti|aud|evt)_[0-9A-HJKMNP-TV-Z]{26}\b/g
const personForm = /\b[a-z]+-\d+@example\.com\b/g
const instantForm = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g

/**
 * Sends the statements of a recorded journey again, each as soon as the one before is answered, with ids and instants
 * of now and the people of a lane: what the work would cost without Hallpass around it.
 */
export function replayer(
  connection: pg.ClientBase,
  journey: RecordedJourney,
  lane: number,
): () => Promise<void> {
  const ids = systemIds(systemClock)
  // the lanes change places, so that a list of all people stays one
  const swapped = new Map(
    [requesterOf, reviewerOf].flatMap((nameOf) => [
      [nameOf(0), nameOf(lane)] as const,
      [nameOf(lane), nameOf(0)] as const,
    ]),
  )
  return async () => {
    const fresh = new Map<string, string>()
    const later = Date.now() - journey.at.getTime()
    const freshened = (text: string) =>
      text
        .replace(idForm, (id, prefix: IdPrefix) => {
          const known = fresh.get(id) ?? ids.next(prefix)
          fresh.set(id, known)
          return known
        })
        .replace(instantForm, (instant) => new Date(Date.parse(instant) + later).toISOString())
        .replace(personForm, (person) => swapped.get(person) ?? person)
    for (const statement of journey.statements) {
      const { rowCount } = await connection.query(queryOf(statement, freshened))
      // a statement that finds other rows than the journey's own did is not the same work
      if (rowCount !== statement.rowCount) {
        throw new Error(`${rowCount} rows instead of ${statement.rowCount}: ${statement.text}`)
      }
    }
  }
}

function queryOf(
  { text, values, name, rowMode }: RecordedStatement,
  freshened: (text: string) => string,
): pg.QueryConfig {
  return {
    text,
    values: values.map((value) => freshValue(value, freshened)),
    ...(name === undefined ? {} : { name }),
    ...(rowMode === undefined ? {} : { rowMode }),
  }
}

function freshValue(value: unknown, freshened: (text: string) => string): unknown {
  if (typeof value === 'string') return freshened(value)
  if (Array.isArray(value)) return value.map((member) => freshValue(member, freshened))
  return value
}
