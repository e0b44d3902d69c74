import { startBillingService } from './billing-service.ts'

const issuer = process.env.HALLPASS_URL ?? 'http://localhost:8080'
const service = await startBillingService({
  issuer,
  jwksUrl: `${issuer}/oauth/jwks`,
  audience: 'https://billing.example.com',
  port: Number(process.env.PORT ?? 9090),
})
console.log(`the example billing service listens at ${service.url}`)
