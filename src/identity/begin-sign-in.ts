import type { Services } from '../context.ts'
import { signInTable } from '../database/schema/identity.ts'
import type { IdentityProvider } from './identity-provider.ts'
import { localPath } from './local-path.ts'
import { hashSecret } from './secret.ts'
import { signInSecrets } from './sign-in-secrets.ts'

/** How long a person may take at the identity provider. */
export const signInLifetimeSeconds = 10 * 60

/**
 * Starts a sign-in at the identity provider for the browser that holds `browserSecret`, and says where to send
 * it. Throws `cannot_decide` when the provider cannot be reached.
 */
export async function beginSignIn(
  ctx: Pick<Services, 'clock' | 'database' | 'ids'>,
  input: {
    readonly provider: IdentityProvider
    readonly browserSecret: string
    readonly returnTo: string | undefined
  },
): Promise<string> {
  const secrets = signInSecrets(ctx.ids.secret(), input.browserSecret)
  const url = await input.provider.authorizationUrl(secrets)
  const now = ctx.clock.now()
  await ctx.database.transaction((tx) =>
    tx.db.insert(signInTable).values({
      stateHash: hashSecret(secrets.state),
      browserHash: hashSecret(input.browserSecret),
      returnTo: localPath(input.returnTo),
      createdAt: now,
      expiresAt: new Date(now.getTime() + signInLifetimeSeconds * 1000),
    }),
  )
  return url
}
