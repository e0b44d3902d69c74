/** A company with a workload of each kind, clients, aliases and a claim. */
export const companyCatalog = `
version: 1
people:
  alice@example.com: [alice.admin@example.com]
groups:
  engineering: [alice@example.com, dana@example.com]
  payments-leads: [bob@example.com, carol@example.com]
  security: [sam@example.com]
  oncall: ['claim:okta-oncall']
  everyone: [group:engineering, group:payments-leads, group:security]
admins: [security]
clients:
  dashboard: { title: 'Dashboard <b>&amp;</b>' }
workloads:
  invoice-bot: { owner: engineering }
resources:
  billing-api:
    title: Billing API
    audience: https://billing.example.com
    owner: payments-leads
    sensitivity: high
    scopes: { 'invoices:read': Read invoices }
  ledger-api:
    title: Ledger API
    audience: https://ledger.example.com
    owner: engineering
    sensitivity: low
    scopes: { 'ledger:read': Read the ledger }
roles:
  billing-reader: { resource: billing-api, scopes: ['invoices:read'] }
policies:
  - name: billing-read
    roles: [billing-reader]
    requesters: [engineering, workload:invoice-bot]
    max_duration: 8h
    approval: [{ from: [payments-leads], count: 1 }]
`
