import { z } from 'zod'
import { requesterOf, reviewerOf } from './broker.ts'
import type { HttpAnswer, HttpConnection } from './http-connection.ts'

const signedIn = z.object({ access_token: z.string() })
const asked = z.object({ id: z.string() })
const approved = z.object({ grant_id: z.string() })
const minted = z.object({ access_token: z.string() })

/** Two people who are signed in, on one connection. */
export interface Pair {
  readonly connection: HttpConnection
  readonly requesterToken: string
  readonly reviewerToken: string
}

export async function signInPair(connection: HttpConnection, lane: number): Promise<Pair> {
  return {
    connection,
    requesterToken: await signIn(connection, requesterOf(lane)),
    reviewerToken: await signIn(connection, reviewerOf(lane)),
  }
}

async function signIn(connection: HttpConnection, subject: string): Promise<string> {
  const body = JSON.stringify({ subject })
  const headers = { 'Content-Type': 'application/json' }
  const answer = await connection.send(connection.prepare('/dev/sign-in', headers, body))
  return read(answer, 200, signedIn).access_token
}

/** Ask, approve, mint: three calls. Returns the access token. */
export async function askApproveMint({
  connection,
  requesterToken,
  reviewerToken,
}: Pair): Promise<string> {
  const ask = await connection.postJson('/v1/requests', requesterToken, {
    role: 'billing-operator',
    duration_seconds: 3600,
    justification: 'void the invoice that was sent twice',
  })
  const { id } = read(ask, 201, asked)
  const review = await connection.postJson(`/v1/requests/${id}/reviews`, reviewerToken, {
    verdict: 'approve',
  })
  const { grant_id } = read(review, 200, approved)
  const mint = await connection.postJson(`/v1/grants/${grant_id}/tokens`, requesterToken, {})
  return read(mint, 201, minted).access_token
}

/** A bench that measured refusals would measure nothing. */
export function read<S extends z.ZodType>(
  { status, body }: HttpAnswer,
  expected: number,
  schema: S,
): z.output<S> {
  if (status !== expected) throw new Error(`expected ${expected}, got ${status}: ${body}`)
  return schema.parse(JSON.parse(body))
}
