import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'

/**
 * oidc-provider with its own in-memory adapter, which is the fastest it can be: opaque tokens by client
 * credentials, introspected by the client that got them.
 */
const server = createServer()
// connections wait while others are measured
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  const issuer = `http://127.0.0.1:${port}`
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'billing-api',
        client_secret: 'a secret of the bench',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    scopes: ['invoices:read'],
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      devInteractions: { enabled: false },
    },
    ttl: { ClientCredentials: 3600 },
  })
  server.on('request', provider.callback())
  process.stdout.write(`oidc-provider ready at ${issuer}\n`)
})
process.on('SIGTERM', () => process.exit(0))
