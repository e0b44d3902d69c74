import type { Actor, Services } from '../context.ts'
import { HallpassError } from '../errors.ts'
import { type PresentedSecret, parseBasic } from './basic-header.ts'
import {
  type CheckedCredential,
  checkCredential,
  compareCredential,
  type StoredCredential,
} from './check-credential.ts'

type CredentialServices = Pick<Services, 'clock' | 'database' | 'log'>

/**
 * Which resource comes with this `Basic …` header. Throws `unauthenticated` for anything but a live credential
 * of a resource. It speaks for its own resource and nothing else.
 */
export async function authenticateResource(
  ctx: CredentialServices,
  authorization: string,
): Promise<Actor> {
  return actorOf(await checkCredential(ctx, presentedByResource(authorization)))
}

/** What a `Basic …` header presents, to be looked up beside something else. Throws `unauthenticated`. */
export function presentedByResource(authorization: string): PresentedSecret {
  const presented = parseBasic(authorization)
  // Postgres text holds no NUL
  if (presented === undefined || presented.clientId.includes('\0')) throw unauthenticated()
  return presented
}

/** The same as `authenticateResource` for a credential that was looked up already, if there is one. */
export function resourceBehind(
  ctx: CredentialServices,
  presented: PresentedSecret,
  stored: StoredCredential | null | undefined,
): Actor {
  return actorOf(compareCredential(ctx, presented, stored))
}

function actorOf(credential: CheckedCredential | undefined): Actor {
  if (credential?.ownerKind !== 'resource') throw unauthenticated()
  return {
    kind: 'resource',
    id: credential.ownerName,
    via: 'resource_credential',
    credentialId: credential.clientId,
  }
}

function unauthenticated(): HallpassError {
  return new HallpassError(
    'unauthenticated',
    "Send the resource's own credential as HTTP Basic. Its owners make one at POST /v1/resources/{name}/credentials.",
  )
}
