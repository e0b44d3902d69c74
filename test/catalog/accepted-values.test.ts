import { describe, expect, it } from 'vitest'
import type { Policy, Resource } from '../../src/catalog/catalog.ts'
import { mustParse, smallCatalog, withPart } from './support.ts'

const lastLine = '    approval: [{ from: [leads], count: 1 }]\n'

function policyWith(line: string): Policy {
  const [policy] = mustParse(withPart(lastLine, `${lastLine}    ${line}\n`)).policies
  if (policy === undefined) throw new Error('the catalog has no policy')
  return policy
}

function resourceWith(line: string): Resource {
  const resource = mustParse(withPart('owner: leads', `owner: leads\n    ${line}`)).resources.get(
    'api',
  )
  if (resource === undefined) throw new Error('the catalog has no resource')
  return resource
}

describe('what may stand in a policy', () => {
  it.each<[string, Partial<Policy>]>([
    ['default_duration: 8h', { defaultDurationSeconds: 28_800 }],
    ['default_duration: 1s', { defaultDurationSeconds: 1 }],
    ['token_lifetime: 30s', { tokenLifetimeSeconds: 30 }],
    ['token_lifetime: 1h', { tokenLifetimeSeconds: 3_600 }],
    ['answer_within: 5s', { answerWithinSeconds: 5 }],
    ['answer_within: 30d', { answerWithinSeconds: 2_592_000 }],
    ['justification: { min_length: 0 }', { justification: { minLength: 0, ticket: undefined } }],
    [
      'justification: { min_length: 500 }',
      { justification: { minLength: 500, ticket: undefined } },
    ],
    ['justification: {}', { justification: { minLength: 1, ticket: undefined } }],
    ['approve_in: browser', { approveIn: 'browser' }],
    ['approve_in: anywhere', { approveIn: 'anywhere' }],
    ['proof: dpop', { proof: 'dpop' }],
    ['proof: bearer', { proof: 'bearer' }],
    ['device_flow: refuse', { deviceFlow: 'refuse' }],
    ['device_flow: allow', { deviceFlow: 'allow' }],
    ['slack_channel: C0PAYMENTS', { slackChannel: 'C0PAYMENTS' }],
    ['slack_channel: G12345', { slackChannel: 'G12345' }],
    ['shrink: { unused_after: 30m }', { shrink: { unusedAfterSeconds: 1_800, workloads: false } }],
    [
      'shrink: { unused_after: 1d, workloads: true }',
      { shrink: { unusedAfterSeconds: 86_400, workloads: true } },
    ],
    ['break_glass: { review_within: 24h }', { breakGlass: { reviewWithinSeconds: 86_400 } }],
  ])('%s', (line, expected) => {
    expect(policyWith(line)).toMatchObject(expected)
  })

  it.each([
    ['30m', 1_800],
    ['1h', 3_600],
    ['2h', 3_600],
    ['30d', 3_600],
  ])('max_duration: %s alone gives a default of the smaller of it and 1 h', (max, expected) => {
    const [policy] = mustParse(withPart('max_duration: 8h', `max_duration: ${max}`)).policies
    expect(policy?.defaultDurationSeconds).toBe(expected)
  })

  it('refuses device sign-in by default where no review comes first, and nowhere else', () => {
    const none = mustParse(withPart(lastLine, '    approval: none\n'))
    expect(none.policies[0]?.deviceFlow).toBe('refuse')
    expect(policyWith('break_glass: { review_within: 1h }').deviceFlow).toBe('refuse')
    expect(mustParse(smallCatalog).policies[0]?.deviceFlow).toBe('allow')
    const said = mustParse(withPart(lastLine, '    approval: none\n    device_flow: allow\n'))
    expect(said.policies[0]?.deviceFlow).toBe('allow')
  })
})

describe('what may stand in a resource', () => {
  it.each<[string, Partial<Resource>]>([
    ['title: The Billing API', { title: 'The Billing API' }],
    ['sensitivity: low', { sensitivity: 'low', whenCutOff: 'accept_until_expiry' }],
    ['sensitivity: medium', { sensitivity: 'medium', whenCutOff: 'accept_until_expiry' }],
    ['sensitivity: high', { sensitivity: 'high', whenCutOff: 'refuse' }],
    ['when_cut_off: accept_until_expiry', { whenCutOff: 'accept_until_expiry' }],
    ['record_objects: clear', { recordObjects: 'clear' }],
  ])('%s', (line, expected) => {
    expect(resourceWith(line)).toMatchObject(expected)
  })

  it('is the most sensitive when nobody said how sensitive it is', () => {
    expect(mustParse(smallCatalog).resources.get('api')).toMatchObject({
      sensitivity: 'high',
      whenCutOff: 'refuse',
      recordObjects: 'hashed',
      title: 'api',
    })
  })

  it.each([
    ['500MB', 500_000_000],
    ['2GB', 2_000_000_000],
    ['10KB', 10_000],
    ['1TB', 1_000_000_000_000],
    ['7B', 7],
    ['4096', 4_096],
  ])('bytes_out_per_hour: %s is %d bytes', (text, expected) => {
    const { thresholds } = resourceWith(`thresholds: { bytes_out_per_hour: ${text} }`)
    expect(thresholds).toEqual({
      deniedPerHour: undefined,
      callsPerMinute: undefined,
      bytesOutPerHour: expected,
      onCross: 'alert',
    })
  })

  it('may suspend when a threshold is crossed', () => {
    const { thresholds } = resourceWith('thresholds: { denied_per_hour: 5, on_cross: suspend }')
    expect(thresholds).toMatchObject({ deniedPerHour: 5, onCross: 'suspend' })
  })

  it.each([
    'https://api.example.com/v1',
    'urn:example:billing',
    'http://localhost:9090',
    'api://billing',
  ])('audience: %s', (audience) => {
    const catalog = mustParse(withPart('https://api.example.com', audience))
    expect(catalog.resources.get('api')?.audience).toBe(audience)
  })

  it('scopes with every character that RFC 6749 allows', () => {
    const scope = "!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~"
    const quoted = JSON.stringify(scope)
    const catalog = mustParse(
      withPart('write: Write', `${quoted}: All`).replace(
        'scopes: [read]',
        `scopes: [read, ${quoted}]`,
      ),
    )
    expect(catalog.roles.get('reader')?.scopes).toEqual(['read', scope])
  })
})

describe('what may stand for people, groups and workloads', () => {
  it('an address in any case, known by its lower case', () => {
    const catalog = mustParse(
      withPart('alice@example.com', 'Alice@Example.COM').replace(
        'groups:',
        'people:\n  Bob@example.com: [BOB@example.org]\ngroups:',
      ),
    )
    expect(catalog.groups.get('engineering')?.members[0]).toEqual({
      kind: 'person',
      id: 'alice@example.com',
    })
    expect([...catalog.humans]).toEqual([
      ['bob@example.com', 'bob@example.com'],
      ['bob@example.org', 'bob@example.com'],
    ])
  })

  it('a group with or without group: before it, anywhere', () => {
    const catalog = mustParse(
      withPart('requesters: [engineering]', 'requesters: [group:engineering]')
        .replace('admins: [leads]', 'admins: [group:leads]')
        .replace('owner: leads', 'owner: group:leads')
        .replace('dana@example.com', 'dana@example.com, leads'),
    )
    expect(catalog.policies[0]?.requesters).toEqual([{ kind: 'group', name: 'engineering' }])
    expect(catalog.admins).toEqual([{ kind: 'group', name: 'leads' }])
    expect(catalog.resources.get('api')?.owner).toBe('leads')
    expect(catalog.groups.get('engineering')?.members).toContainEqual({
      kind: 'group',
      name: 'leads',
    })
  })

  it('a person, a claim and a workload where requesters are named', () => {
    const catalog = mustParse(
      withPart(
        'requesters: [engineering]',
        "requesters: [dana@example.com, 'claim:okta eng', 'workload:bot']",
      ),
    )
    expect(catalog.policies[0]?.requesters).toEqual([
      { kind: 'person', id: 'dana@example.com' },
      { kind: 'claim', name: 'okta eng' },
      { kind: 'workload', name: 'bot' },
    ])
  })

  it('a group without members, as long as no seat needs them', () => {
    const catalog = mustParse(withPart('  leads:', '  nobody: []\n  leads:'))
    expect(catalog.groups.get('nobody')?.members).toEqual([])
  })

  it('a catalog with groups alone, and no policy', () => {
    const catalog = mustParse('version: 1\nadmins: [sam@example.com]\npolicies: []\n')
    expect(catalog.policies).toEqual([])
    expect(catalog.roles.size).toBe(0)
  })

  it('a client whose title is left out, called by its name', () => {
    const catalog = mustParse(withPart('admins:', 'clients:\n  kiosk: {}\nadmins:'))
    expect(catalog.clients.get('kiosk')).toEqual({ name: 'kiosk', title: 'kiosk' })
  })

  it('key addresses on this machine without TLS', () => {
    const catalog = mustParse(
      withPart('owner: engineering', "owner: engineering, jwks_uri: 'http://127.0.0.1:9000/keys'"),
    )
    expect(catalog.workloads.get('bot')?.proof).toEqual({
      kind: 'jwks_uri',
      uri: 'http://127.0.0.1:9000/keys',
    })
  })
})
