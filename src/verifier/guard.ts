import type { Access } from './access.ts'
import type { RequestFacts } from './activity-event.ts'
import { readAuthorization } from './authorization.ts'
import { readScope } from './options.ts'
import type { Answer } from './problem.ts'
import type { AuthenticationDemand, Decision, Verifier } from './verifier.ts'

/** How a route is protected, beyond its scope. `Request` is what the framework hands to a handler. */
export interface GuardOptions<Request> {
  /**
   * The address that clients use, such as `https://api.example.com`, when a proxy stands in between: proofs of
   * possession name it. Without it, what the request itself says counts.
   */
  readonly publicUrl?: string | undefined
  readonly authentication?: AuthenticationDemand | undefined
  /** For the activity report: what was acted on, how many bytes. Called after the answer; what it throws is ignored. */
  readonly describe?: ((request: Request) => Partial<RequestFacts>) | undefined
}

/** What a guard reads of a request, whatever the framework. */
export interface GuardedRequest {
  /** Stands for the request: two guards in a row accept its one proof. */
  readonly identity: object
  readonly method: string
  /** As the request says, absolute. */
  readonly url: string
  readonly authorization: readonly string[]
  readonly proofs: readonly string[]
}

/** Decides about one request. */
export type Guard = (request: GuardedRequest) => Promise<Decision>

/** Throws `TypeError` for what is no scope: a guard that checks none must not come about by a slip. */
export function createGuard(
  verifier: Verifier,
  scope: string,
  { publicUrl, authentication }: Pick<GuardOptions<never>, 'publicUrl' | 'authentication'>,
): Guard {
  readScope(scope)
  return (request) => {
    const { token, isProofScheme } = readAuthorization(request.authorization)
    if (!isProofScheme) return verifier.decide(token, { scope, authentication })
    const { identity, method, proofs } = request
    const header = proofs.length === 0 ? undefined : proofs.join(', ')
    const url = publicUrl === undefined ? request.url : rebase(request.url, publicUrl)
    const proof = { header, method, url, request: identity }
    return verifier.decide(token, { scope, authentication, proof })
  }
}

/** What is reported of a request: what the adapter saw, then what the service says. */
export function factsOf<Request>(
  seen: RequestFacts,
  describe: GuardOptions<Request>['describe'],
  request: Request,
): RequestFacts {
  if (describe === undefined) return seen
  try {
    return { ...seen, ...describe(request) }
  } catch {
    return seen
  }
}

const accesses = new WeakMap<object, Access>()

/** What a guard accepted, by request. */
export function rememberAccess(identity: object, access: Access): void {
  accesses.set(identity, access)
}

/** Throws unless a guard let the request pass: a handler behind none is a fault in the service. */
export function recallAccess(identity: object): Access {
  const access = accesses.get(identity)
  if (access !== undefined) return access
  throw new Error('No access was verified for this request: put requireScope before its handler.')
}

/** The answer of `/.well-known/oauth-protected-resource` (RFC 9728 §3.2). */
export function metadataAnswer({ resourceMetadata }: Verifier): Answer {
  return {
    status: 200,
    headers: {
      'Content-Type': 'application/json',
      'Cache-Control': 'public, max-age=300',
      'Access-Control-Allow-Origin': '*',
    },
    body: JSON.stringify(resourceMetadata),
  }
}

function rebase(url: string, publicUrl: string): string {
  const path = URL.canParse(url) ? new URL(url).pathname : ''
  return publicUrl.replace(/\/+$/, '') + path
}
