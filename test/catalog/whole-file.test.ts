import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { installationRoot } from '../../src/installation.ts'
import { parseFile, wholeCatalogPath } from './support.ts'

describe('the file of the contracts, whole', () => {
  const { catalog, faults, warnings } = parseFile(wholeCatalogPath)

  it('checks without a word', () => {
    expect({ faults, warnings }).toEqual({ faults: [], warnings: [] })
  })

  it('gives the policies in file order', () => {
    expect(catalog?.policies.map(({ name }) => name)).toEqual([
      'billing-read',
      'billing-operate',
      'billing-emergency',
      'wiki',
    ])
  })

  it('reads every key of a policy', () => {
    expect(catalog?.policies[1]).toMatchObject({
      roles: ['billing-operator'],
      requesters: [
        { kind: 'group', name: 'engineering' },
        { kind: 'workload', name: 'invoice-bot' },
      ],
      maxDurationSeconds: 14_400,
      defaultDurationSeconds: 3_600,
      tokenLifetimeSeconds: 300,
      answerWithinSeconds: 7_200,
      justification: { minLength: 10, ticket: { source: '^INC-[0-9]+$' } },
      approveIn: 'anywhere',
      slackChannel: 'C0PAYMENTS',
      approval: [
        { from: [{ kind: 'group', name: 'payments-leads' }], count: 1 },
        { from: [{ kind: 'group', name: 'security' }], count: 1 },
      ],
      proof: 'bearer',
      deviceFlow: 'allow',
    })
  })

  it('fills in what the contracts say when a key is left out', () => {
    expect(catalog?.policies[0]).toMatchObject({
      defaultDurationSeconds: 3_600,
      tokenLifetimeSeconds: 600,
      answerWithinSeconds: 86_400,
      approveIn: 'anywhere',
      proof: 'bearer',
      // no review comes first, so a device may not ask
      deviceFlow: 'refuse',
      approval: [],
      breakGlass: undefined,
    })
    expect(catalog?.policies[2]).toMatchObject({
      defaultDurationSeconds: 1_800,
      breakGlass: { reviewWithinSeconds: 86_400 },
      deviceFlow: 'refuse',
    })
    expect(catalog?.policies[3]).toMatchObject({
      deviceFlow: 'allow',
      proof: 'dpop',
      shrink: { unusedAfterSeconds: 1_800, workloads: false },
    })
  })

  it('reads resources, and what a verifier does when cut off from its sensitivity', () => {
    expect(catalog?.resources.get('billing-api')).toMatchObject({
      whenCutOff: 'refuse',
      recordObjects: 'hashed',
      thresholds: {
        deniedPerHour: 20,
        callsPerMinute: 600,
        bytesOutPerHour: 500_000_000,
        onCross: 'alert',
      },
    })
    expect(catalog?.resources.get('wiki')).toMatchObject({
      title: 'wiki',
      whenCutOff: 'accept_until_expiry',
      thresholds: undefined,
    })
  })

  it('reads how each workload proves who it is', () => {
    const proofs = [...(catalog?.workloads.values() ?? [])].map(({ proof }) => proof)
    expect(proofs).toMatchObject([
      { kind: 'jwks', keys: [{ kty: 'OKP', kid: 'invoice-bot-1' }] },
      { kind: 'jwks_uri', uri: 'https://keys.example.com/report-bot' },
      { kind: 'federation', issuer: 'https://ci.example.com', subject: 'repo:example/billing' },
    ])
  })

  it('reads clients, admins and the security channel', () => {
    expect(catalog).toMatchObject({
      admins: [{ kind: 'group', name: 'security' }],
      securityChannel: 'C0SECURITY',
    })
    expect(catalog?.clients.get('kiosk')?.title).toBe('The kiosk in the office')
  })
})

describe('the bundled example company', () => {
  it('checks without a word, and names no file beside it', () => {
    const { faults, warnings, catalog } = parseFile(
      join(installationRoot, 'example', 'hallpass.yaml'),
    )
    expect({ faults, warnings }).toEqual({ faults: [], warnings: [] })
    expect([...(catalog?.workloads.values() ?? [])].map(({ proof }) => proof)).toEqual([undefined])
  })
})
