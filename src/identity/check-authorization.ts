import { catalogInForce } from '../catalog/index.ts'
import type { Services } from '../context.ts'
import {
  type AuthorizationFault,
  type AuthorizationRequest,
  readAuthorizationRequest,
} from './authorization-request.ts'

/** Checks the parameters of `/oauth/authorize` against the catalog in force. Nobody needs to be signed in. */
export async function checkAuthorization(
  ctx: Pick<Services, 'database' | 'issuer'>,
  parameters: URLSearchParams,
): Promise<AuthorizationRequest | AuthorizationFault> {
  const catalog = await ctx.database.read((db) => catalogInForce(db))
  return readAuthorizationRequest(catalog, parameters, ctx.issuer)
}
