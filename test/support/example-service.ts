import { startBillingService } from '../../example/billing-service.ts'

/** The bundled example service, protected by this broker. */
export function startExampleService(issuer: string, brokerUrl: string) {
  return startBillingService({
    issuer,
    jwksUrl: `${brokerUrl}/oauth/jwks`,
    audience: 'https://billing.example.com',
    port: 0,
  })
}
