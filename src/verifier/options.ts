import type { Credential } from './credential.ts'
import type { WhenCutOff } from './revocation.ts'

export interface VerifierOptions {
  /** The broker's issuer URL, as it stands in the tokens. */
  readonly issuer: string
  /** This resource's audience, as the catalog names it. */
  readonly audience: string
  /** The resource's credential (`POST /v1/resources/{name}/credentials`). */
  readonly credential?: Credential | undefined
  /** `none`: a revoked token stays good until its own end. Nothing else may be left out for it but the credential. */
  readonly revocation?: 'feed' | 'none' | undefined
  /** False: the broker is not told of decisions. */
  readonly activity?: boolean | undefined
  /** What to do when neither memory nor the broker can tell; without it, what the catalog says. */
  readonly onCutOff?: WhenCutOff | undefined
  /** Where the broker is reached when that is not the issuer's own address. */
  readonly broker?: string | undefined
  /** What the resource's metadata says it understands. */
  readonly scopes?: readonly string[] | undefined
  /** How many tokens are remembered; 20,000 unless said, about a kilobyte each. */
  readonly cacheCapacity?: number | undefined
}

/** Options that make sense together. */
export interface Settings {
  readonly issuer: string
  readonly audience: string
  readonly credential: Credential | undefined
  readonly followsRevocations: boolean
  readonly reportsActivity: boolean
  readonly onCutOff: WhenCutOff | undefined
  readonly brokerUrl: string
  readonly scopes: readonly string[] | undefined
  readonly cacheCapacity: number
}

/** Throws `TypeError` for what would leave a check out: nothing is guessed. */
export function readOptions(options: VerifierOptions): Settings {
  const { issuer, audience, credential, revocation = 'feed', onCutOff, scopes } = options
  if (!isWebAddress(issuer)) {
    throw new TypeError('createVerifier needs the issuer: the URL that the broker is called by.')
  }
  if (typeof audience !== 'string' || audience.trim() === '') {
    throw new TypeError(
      "createVerifier needs the audience: this resource's, as the catalog names it.",
    )
  }
  if (revocation !== 'feed' && revocation !== 'none') {
    throw new TypeError("revocation is 'feed' or 'none'.")
  }
  if (onCutOff !== undefined && onCutOff !== 'refuse' && onCutOff !== 'accept_until_expiry') {
    throw new TypeError("onCutOff is 'refuse' or 'accept_until_expiry'.")
  }
  if (credential === undefined && revocation !== 'none') {
    throw new TypeError(
      "createVerifier needs the resource's credential to hear of revocations. Without one, write revocation: 'none'.",
    )
  }
  if (
    credential !== undefined &&
    !(isText(credential.clientId) && isText(credential.clientSecret))
  ) {
    throw new TypeError('credential needs a clientId and a clientSecret.')
  }
  const brokerUrl = options.broker ?? issuer
  if (!isWebAddress(brokerUrl)) throw new TypeError('broker must be an http or https URL.')
  const { activity = true, cacheCapacity = 20_000 } = options
  if (typeof activity !== 'boolean') throw new TypeError('activity is true or false.')
  if (!Number.isInteger(cacheCapacity) || cacheCapacity < 2) {
    throw new TypeError('cacheCapacity is a whole number, at least 2.')
  }
  return {
    issuer,
    audience,
    credential,
    followsRevocations: revocation === 'feed',
    reportsActivity: activity && credential !== undefined,
    onCutOff,
    brokerUrl: brokerUrl.replace(/\/+$/, ''),
    scopes: scopes?.map((scope) => readScope(scope)),
    cacheCapacity,
  }
}

/** One or more scope names (RFC 6749 §3.3), separated by single spaces. Throws `TypeError` for anything else. */
export function readScope(scope: unknown): string {
  const form = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/
  if (typeof scope === 'string' && form.test(scope)) return scope
  throw new TypeError('A scope is one or more names, such as invoices:read, separated by spaces.')
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isWebAddress(value: unknown): value is string {
  if (typeof value !== 'string' || !URL.canParse(value)) return false
  const { protocol, username, password, search, hash } = new URL(value)
  return /^https?:$/.test(protocol) && username + password + search + hash === ''
}
