import type { Actor, Services } from '../context.ts'
import { HallpassError } from '../errors.ts'
import { parseBasic } from './basic-header.ts'
import { checkCredential } from './check-credential.ts'

/**
 * Which resource comes with this `Basic …` header. Throws `unauthenticated` for anything but a live credential
 * of a resource. It speaks for its own resource and nothing else.
 */
export async function authenticateResource(
  ctx: Pick<Services, 'clock' | 'database' | 'log'>,
  authorization: string,
): Promise<Actor> {
  const presented = parseBasic(authorization)
  const credential = presented === undefined ? undefined : await checkCredential(ctx, presented)
  if (credential?.ownerKind !== 'resource') {
    throw new HallpassError(
      'unauthenticated',
      "Send the resource's own credential as HTTP Basic. Its owners make one at POST /v1/resources/{name}/credentials.",
    )
  }
  return {
    kind: 'resource',
    id: credential.ownerName,
    via: 'resource_credential',
    credentialId: credential.clientId,
  }
}
