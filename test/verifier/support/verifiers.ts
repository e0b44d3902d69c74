import { afterEach, expect } from 'vitest'
import {
  createVerifier,
  type Verifier,
  type VerifierOptions,
  VerifyError,
  type VerifyErrorCode,
  type VerifyOptions,
} from '../../../src/verifier/index.ts'
import { StandInBroker } from './stand-in-broker.ts'
import { audience, issuer, type SigningKey } from './token-mint.ts'

const running: { stop(): Promise<void> }[] = []

/** Stops it after the test, and after the verifiers. */
export function stopAfterTest(one: { stop(): Promise<void> }): void {
  running.push(one)
}

afterEach(async () => {
  // verifiers first: they have a last word for the broker
  for (const one of running.splice(0)) await one.stop()
})

export const credential = { clientId: 'cred_1', clientSecret: 'not a secret' }

export async function startBroker(...keys: readonly SigningKey[]): Promise<StandInBroker> {
  const broker = await new StandInBroker(...keys).start()
  running.push(broker)
  return broker
}

/** A verifier of the stand-in, stopped after the test. */
export function newVerifier(
  broker: { readonly url: string },
  options: Partial<VerifierOptions> = {},
): Verifier {
  const verifier = createVerifier({
    issuer,
    audience,
    credential,
    broker: broker.url,
    activity: false,
    ...options,
  })
  running.unshift(verifier)
  return verifier
}

export async function readyVerifier(
  broker: StandInBroker,
  options: Partial<VerifierOptions> = {},
): Promise<Verifier> {
  const verifier = newVerifier(broker, options)
  await verifier.ready()
  return verifier
}

/** The refusal; fails when the token is accepted. */
export async function refusalOf(
  verifier: Verifier,
  token: string | undefined,
  options: VerifyOptions = {},
): Promise<VerifyError> {
  const outcome: unknown = await verifier.verify(token, options).catch((error: unknown) => error)
  if (outcome instanceof VerifyError) return outcome
  throw new Error(`expected a refusal, got ${JSON.stringify(outcome)}`)
}

export async function expectRefusal(
  verifier: Verifier,
  token: string | undefined,
  code: VerifyErrorCode,
  options: VerifyOptions = {},
): Promise<void> {
  expect((await refusalOf(verifier, token, options)).code).toBe(code)
}
