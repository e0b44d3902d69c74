import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { recordJourney } from './ask-approve-mint/record-journey.ts'
import { replayer } from './ask-approve-mint/replay-journey.ts'
import { brokerEnvironment, laneCount, startBrokerProcess } from './support/broker.ts'
import { HttpConnection } from './support/http-connection.ts'
import { askApproveMint, signInPair } from './support/journey.ts'
import { startBenchServer } from './support/postgres.ts'
import { shown, table } from './support/report.ts'
import { inTurns, medianRound, type Round, ratioOf } from './support/statistics.ts'

const roundCount = 5
const secondsPerRound = 3

/**
 * Ask → approve → mint over HTTP through the shipped broker, against the same SQL statements bare through `pg`.
 * Each has a database of its own, equally filled, so that neither does background work for the other.
 */
export async function benchAskApproveMint(): Promise<string> {
  const server = await startBenchServer()
  const undo: Array<() => Promise<void> | void> = [() => server.stop()]
  try {
    const recordedIn = await server.createDatabase()
    const journey = await recordJourney(await brokerEnvironment(server, recordedIn))
    const forBroker = await server.createDatabase({ copyOf: recordedIn })
    const forBare = await server.createDatabase({ copyOf: recordedIn })
    const broker = await startBrokerProcess(server, forBroker)
    undo.push(broker.stop)

    const overHttp: Array<() => Promise<void>> = []
    const bare: Array<() => Promise<void>> = []
    for (let lane = 0; lane < laneCount; lane += 1) {
      const connection = await HttpConnection.open(broker.url)
      const client = new pg.Client({ connectionString: forBare.applicationUrl })
      await client.connect()
      undo.push(
        () => client.end(),
        () => connection.close(),
      )
      const pair = await signInPair(connection, lane)
      overHttp.push(async () => void (await askApproveMint(pair)))
      bare.push(replayer(client, journey, lane))
    }
    const sections: string[] = []
    for (const lanes of [1, laneCount]) {
      const [through, straight] = await inTurns([overHttp.slice(0, lanes), bare.slice(0, lanes)], {
        roundCount,
        secondsPerRound,
        settle: () => sleep(1_000),
      })
      sections.push(report(lanes, through ?? [], straight ?? []))
    }
    return [
      `One journey is 3 calls and ${journey.statements.length} statements.`,
      ...sections,
    ].join('\n\n')
  } finally {
    for (const step of undo.reverse()) await step()
  }
}

function report(lanes: number, through: readonly Round[], straight: readonly Round[]): string {
  const row = (name: string, { perSecond, p50Milliseconds, p99Milliseconds }: Round) =>
    [name, perSecond, p50Milliseconds, p99Milliseconds].map((cell) =>
      typeof cell === 'string' ? cell : shown(cell),
    )
  return table(
    [`${lanes} at a time`, 'journeys/s', 'p50 ms', 'p99 ms'],
    [
      row('Hallpass over HTTP', medianRound(through)),
      row('the same statements bare', medianRound(straight)),
      [
        '**cost, times the bare**',
        `**${shown(ratioOf(straight, through, 'perSecond'))}**`,
        shown(ratioOf(through, straight, 'p50Milliseconds')),
        shown(ratioOf(through, straight, 'p99Milliseconds')),
      ],
    ],
  )
}
