import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { installationRoot } from '../src/installation.ts'
import { laneCount, startBrokerProcess } from './support/broker.ts'
import { startChild } from './support/child-process.ts'
import { HttpConnection } from './support/http-connection.ts'
import { askApproveMint, read, signInPair } from './support/journey.ts'
import { startBenchServer } from './support/postgres.ts'
import { shown, table } from './support/report.ts'
import { inTurns, medianRound, type Round, ratioOf } from './support/statistics.ts'

const connectionCount = 10
const tokensPerLane = 5
const roundCount = 5
const secondsPerRound = 3

/** Who is asked, where, with which credential, about which tokens. */
interface Endpoint {
  readonly url: string
  readonly path: string
  readonly credential: string
  readonly tokens: readonly string[]
}

const credentialAnswer = z.object({ client_id: z.string(), client_secret: z.string() })
const tokenAnswer = z.object({ access_token: z.string() })

/**
 * Introspections per second over 10 keep-alive connections, against a trivial Hono POST and oidc-provider's
 * introspection. Every server has a process of its own; this one makes the load.
 */
export async function benchIntrospection(): Promise<string> {
  const server = await startBenchServer()
  const undo: Array<() => Promise<void> | void> = [() => server.stop()]
  try {
    const broker = await startBrokerProcess(server, await server.createDatabase())
    undo.push(broker.stop)
    const hallpass = await endpointOfBroker(broker.url)
    const trivial = await startChild(serverFile('trivial'))
    undo.push(trivial.stop)
    const provider = await startChild(serverFile('oidc-provider'))
    undo.push(provider.stop)
    const endpoints = [
      hallpass,
      { ...hallpass, url: trivial.url, path: '/' },
      await endpointOfProvider(provider.url),
    ]
    const contenders = await Promise.all(endpoints.map(callersOf))
    const rounds = await inTurns(contenders, {
      roundCount,
      secondsPerRound,
      settle: () => sleep(300),
    })
    return report(rounds)
  } finally {
    for (const step of undo.reverse()) await step()
  }
}

function serverFile(name: string): string {
  return join(installationRoot, 'dist', 'bench', 'servers', `${name}-process.js`)
}

/** Tokens of several people, each of a grant that somebody approved. */
async function endpointOfBroker(url: string): Promise<Endpoint> {
  const connection = await HttpConnection.open(url)
  const tokens: string[] = []
  for (let lane = 0; lane < laneCount; lane += 1) {
    const pair = await signInPair(connection, lane)
    for (let i = 0; i < tokensPerLane; i += 1) tokens.push(await askApproveMint(pair))
  }
  const owner = await signInPair(connection, 0)
  const answer = await connection.postJson(
    '/v1/resources/billing-api/credentials',
    owner.reviewerToken,
    {},
  )
  const { client_id, client_secret } = read(answer, 201, credentialAnswer)
  connection.close()
  return { url, path: '/oauth/introspect', credential: basic(client_id, client_secret), tokens }
}

async function endpointOfProvider(url: string): Promise<Endpoint> {
  const connection = await HttpConnection.open(url)
  const credential = basic('billing-api', 'a secret of the bench')
  const tokens: string[] = []
  for (let i = 0; i < laneCount * tokensPerLane; i += 1) {
    const form = 'grant_type=client_credentials&scope=invoices%3Aread'
    const answer = await connection.send(
      connection.prepare('/token', formHeaders(credential), form),
    )
    tokens.push(read(answer, 200, tokenAnswer).access_token)
  }
  connection.close()
  return { url, path: '/token/introspection', credential, tokens }
}

function callersOf(endpoint: Endpoint): Promise<ReadonlyArray<() => Promise<void>>> {
  return Promise.all(Array.from({ length: connectionCount }, () => callerOf(endpoint)))
}

/** Asks about one token after the other on a connection of its own; every answer must be a yes. */
async function callerOf({ url, path, credential, tokens }: Endpoint): Promise<() => Promise<void>> {
  const connection = await HttpConnection.open(url)
  const calls = tokens.map((token) =>
    connection.prepare(path, formHeaders(credential), `token=${encodeURIComponent(token)}`),
  )
  let next = Math.floor(Math.random() * calls.length)
  return async () => {
    next = (next + 1) % calls.length
    const { status, body } = await connection.send(calls[next] ?? '')
    if (status !== 200 || !body.includes('"active":true')) {
      throw new Error(`${url} answered ${status}: ${body}`)
    }
  }
}

function basic(name: string, secret: string): string {
  const joined = `${encodeURIComponent(name)}:${encodeURIComponent(secret)}`
  return `Basic ${Buffer.from(joined).toString('base64')}`
}

function formHeaders(credential: string): Record<string, string> {
  return { Authorization: credential, 'Content-Type': 'application/x-www-form-urlencoded' }
}

function report([hallpass = [], trivial = [], provider = []]: readonly (readonly Round[])[]) {
  const row = (name: string, rounds: readonly Round[]) => {
    const { perSecond, p50Milliseconds, p99Milliseconds } = medianRound(rounds)
    const numbers = [perSecond, p50Milliseconds, p99Milliseconds].map(shown)
    const ratios = [trivial, provider].map((other) => shown(ratioOf(rounds, other, 'perSecond')))
    return [name, ...numbers, ...ratios]
  }
  return table(
    ['', 'calls/s', 'p50 ms', 'p99 ms', 'to the trivial POST', 'to oidc-provider'],
    [
      row('**Hallpass introspection**', hallpass),
      row('trivial Hono POST', trivial),
      row('oidc-provider introspection, in memory', provider),
    ],
  )
}
