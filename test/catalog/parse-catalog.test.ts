import { describe, expect, it } from 'vitest'
import { type ParseOptions, parseCatalog } from '../../src/catalog/parse-catalog.ts'
import { smallCatalog, unmark, withPart } from './support.ts'

/** `▲` stands before the place that the fault must name. */
interface Case {
  readonly when: string
  readonly code: string
  readonly marked: string
  readonly says: RegExp
  readonly options?: ParseOptions
}

const lastLine = '    approval: [{ from: [leads], count: 1 }]\n'
const withPolicyLine = (line: string): string => withPart(lastLine, `${lastLine}    ${line}\n`)

const cases: readonly Case[] = [
  {
    when: 'a key at the top is unknown',
    code: 'unknown_key',
    marked: `${smallCatalog}▲teams: {}\n`,
    says: /"teams".*Known here: version/,
  },
  {
    when: 'a key of a policy is unknown',
    code: 'unknown_key',
    marked: withPolicyLine('▲approvers: [leads]'),
    says: /"approvers"/,
  },
  {
    when: 'a key of a seat is unknown',
    code: 'unknown_key',
    marked: withPart('count: 1', '▲quorum: 1'),
    says: /from, count/,
  },
  {
    when: 'a key of a workload is unknown',
    code: 'unknown_key',
    marked: withPart('owner: engineering', 'owner: engineering, ▲key: x'),
    says: /"key"/,
  },
  {
    when: 'a merge key is used',
    code: 'unknown_key',
    marked: withPart('reader: { resource', 'reader: { ▲<<: x, resource'),
    says: /"<<"/,
  },
  {
    when: 'version is missing',
    code: 'missing_key',
    marked: withPart('version: 1\ngroups', '▲groups'),
    says: /"version" is missing/,
  },
  {
    when: 'version is another',
    code: 'bad_value',
    marked: withPart('version: 1', 'version: ▲2'),
    says: /1 to 1, found 2/,
  },
  {
    when: 'version is text',
    code: 'wrong_type',
    marked: withPart('version: 1', "version: ▲'1'"),
    says: /whole number, found "1"/,
  },
  {
    when: 'groups is a list',
    code: 'wrong_type',
    marked: withPart('admins: [leads]', 'admins: [leads]\nclients: ▲[a]'),
    says: /mapping.*found a list/,
  },
  {
    when: 'a group has no members written',
    code: 'wrong_type',
    marked: withPart(
      'leads: [bob@example.com, carol@example.com]',
      'leads: [bob@example.com, carol@example.com]\n  empty: ▲',
    ),
    says: /list.*found nothing/,
  },
  {
    when: 'a member is a number',
    code: 'wrong_type',
    marked: withPart('dana@example.com', '▲42'),
    says: /text, found "42"/,
  },
  {
    when: 'a list of requesters is one name',
    code: 'wrong_type',
    marked: withPart('requesters: [engineering]', 'requesters: ▲engineering'),
    says: /Expected a list/,
  },
  {
    when: 'nobody may ask',
    code: 'bad_value',
    marked: withPart('requesters: [engineering]', 'requesters: ▲[]'),
    says: /empty/,
  },
  {
    when: 'a group in requesters is unknown',
    code: 'unknown_group',
    marked: withPart('requesters: [engineering]', 'requesters: [▲enginering]'),
    says: /no group "enginering".*Declared: engineering, leads/,
  },
  {
    when: 'a group in a seat is unknown',
    code: 'unknown_group',
    marked: withPart('from: [leads]', 'from: [leads, ▲ghosts]'),
    says: /"ghosts"/,
  },
  {
    when: 'a nested group is unknown',
    code: 'unknown_group',
    marked: withPart('dana@example.com', 'group:▲ghosts').replace('group:▲', '▲group:'),
    says: /"ghosts"/,
  },
  {
    when: 'an admin group is unknown',
    code: 'unknown_group',
    marked: withPart('admins: [leads]', 'admins: [▲ghosts]'),
    says: /"ghosts"/,
  },
  {
    when: 'the owner of a resource is unknown',
    code: 'unknown_group',
    marked: withPart('owner: leads', 'owner: ▲ghosts'),
    says: /"ghosts"/,
  },
  {
    when: 'the owner of a workload is unknown',
    code: 'unknown_group',
    marked: withPart('owner: engineering', 'owner: ▲ghosts'),
    says: /"ghosts"/,
  },
  {
    when: 'a workload in requesters is unknown',
    code: 'unknown_workload',
    marked: withPart('requesters: [engineering]', 'requesters: [▲workload:robot]'),
    says: /no workload "robot".*bot/,
  },
  {
    when: 'a resource is unknown',
    code: 'unknown_resource',
    marked: withPart('resource: api', 'resource: ▲apis'),
    says: /no resource "apis".*api/,
  },
  {
    when: 'a role is unknown',
    code: 'unknown_role',
    marked: withPart('roles: [reader]', 'roles: [reader, ▲writer]'),
    says: /no role "writer".*reader/,
  },
  {
    when: 'a scope is unknown',
    code: 'unknown_scope',
    marked: withPart('scopes: [read]', 'scopes: [read, ▲delete]'),
    says: /no scope "delete".*read, write/,
  },
  {
    when: 'a person is no address',
    code: 'bad_name',
    marked: withPart('dana@example.com', '▲dana@'),
    says: /"dana@" is not the e-mail address/,
  },
  {
    when: 'a claim has no name',
    code: 'bad_name',
    marked: withPart('dana@example.com', "▲'claim:'"),
    says: /after `claim:`/,
  },
  {
    when: 'a group has a space in its name',
    code: 'bad_name',
    marked: withPart('  engineering:', "  ▲'the team': []\n  engineering:"),
    says: /"the team" cannot be a name/,
  },
  {
    when: 'a scope has a space',
    code: 'bad_name',
    marked: withPart('read: Read,', "read: Read, ▲'read all': x,"),
    says: /"read all" cannot be a scope/,
  },
  {
    when: 'a title has a control character',
    code: 'bad_value',
    marked: withPart('owner: leads', 'owner: leads\n    title: ▲"a\\u0007b"'),
    says: /Control characters/,
  },
  {
    when: 'two groups have one name',
    code: 'duplicate_name',
    marked: withPart('admins:', '  ▲leads: [sam@example.com]\nadmins:'),
    says: /second time/,
  },
  {
    when: 'two policies have one name',
    code: 'duplicate_name',
    marked: `${smallCatalog}  - name: ▲read\n    roles: [reader]\n    requesters: [leads]\n    max_duration: 1h\n    approval: none\n`,
    says: /Another policy is called "read"/,
  },
  {
    when: 'two resources have one audience',
    code: 'duplicate_audience',
    marked: withPart(
      'roles:\n',
      '  other:\n    audience: ▲https://API.example.com/\n    owner: leads\n    scopes: { x: X }\nroles:\n',
    ),
    says: /api has this audience/,
  },
  {
    when: 'an audience is the issuer',
    code: 'audience_is_issuer',
    marked: withPart('audience: https://api', 'audience: ▲https://api'),
    says: /Hallpass itself/,
    options: { issuer: 'https://api.example.com/' },
  },
  {
    when: 'an audience is no URI',
    code: 'bad_value',
    marked: withPart('https://api.example.com', '▲api'),
    says: /absolute URI/,
  },
  {
    when: 'an audience has a fragment',
    code: 'bad_value',
    marked: withPart('https://api.example.com', '▲https://api.example.com/#x'),
    says: /fragment/,
  },
  {
    when: 'a resource has no scopes',
    code: 'bad_value',
    marked: withPart('scopes: { read: Read, write: Write }', 'scopes: ▲{}').replace(
      'scopes: [read]',
      'scopes: [read]',
    ),
    says: /at least one scope/,
  },
  {
    when: 'a sensitivity is unknown',
    code: 'bad_value',
    marked: withPart('owner: leads', 'owner: leads\n    sensitivity: ▲extreme'),
    says: /low or medium or high, found "extreme"/,
  },
  {
    when: 'a threshold is zero',
    code: 'bad_value',
    marked: withPart('owner: leads', 'owner: leads\n    thresholds: { calls_per_minute: ▲0 }'),
    says: /found 0/,
  },
  {
    when: 'a threshold of bytes has no unit we know',
    code: 'bad_value',
    marked: withPart(
      'owner: leads',
      'owner: leads\n    thresholds: { bytes_out_per_hour: ▲500MiB }',
    ),
    says: /500MB/,
  },
  {
    when: 'approval is missing',
    code: 'missing_key',
    marked: withPart(lastLine, '').replace('- name', '- ▲name'),
    says: /"approval" is missing.*approval: none/,
  },
  {
    when: 'approval is an empty list',
    code: 'bad_value',
    marked: withPart('[{ from: [leads], count: 1 }]', '▲[]'),
    says: /empty/,
  },
  {
    when: 'approval is another word',
    code: 'bad_value',
    marked: withPart('[{ from: [leads], count: 1 }]', '▲auto'),
    says: /`none` or a list/,
  },
  {
    when: 'approval has no value',
    code: 'bad_value',
    marked: withPart('[{ from: [leads], count: 1 }]', '▲null'),
    says: /`none` or a list/,
  },
  {
    when: 'a count is zero',
    code: 'bad_value',
    marked: withPart('count: 1', 'count: ▲0'),
    says: /1 to 20, found 0/,
  },
  {
    when: 'a count is negative',
    code: 'bad_value',
    marked: withPart('count: 1', 'count: ▲-1'),
    says: /found -1/,
  },
  {
    when: 'a count is a fraction',
    code: 'wrong_type',
    marked: withPart('count: 1', 'count: ▲0.5'),
    says: /whole number/,
  },
  {
    when: 'a count has no value',
    code: 'wrong_type',
    marked: withPart('count: 1', 'count: ▲null'),
    says: /found nothing/,
  },
  {
    when: 'a workload holds a seat',
    code: 'bad_value',
    marked: withPart('from: [leads]', "from: ▲[leads, 'workload:bot']"),
    says: /Only people review/,
  },
  {
    when: 'break-glass has no reviewers',
    code: 'bad_value',
    marked: withPart(lastLine, '    break_glass: { review_within: 1h }\n    approval: ▲none\n'),
    says: /needs reviewers/,
  },
  {
    when: 'break-glass names no time',
    code: 'missing_key',
    marked: withPolicyLine('break_glass: ▲{}'),
    says: /"review_within"/,
  },
  {
    when: 'max_duration is missing',
    code: 'missing_key',
    marked: withPart('    max_duration: 8h\n', '').replace('- name', '- ▲name'),
    says: /"max_duration"/,
  },
  {
    when: 'max_duration is over 30 days',
    code: 'bad_duration',
    marked: withPart('max_duration: 8h', 'max_duration: ▲31d'),
    says: /1s to 30d, found 31d/,
  },
  {
    when: 'max_duration is a number',
    code: 'bad_duration',
    marked: withPart('max_duration: 8h', 'max_duration: ▲3600'),
    says: /30s, 45m, 8h or 2d/,
  },
  {
    when: 'max_duration is negative',
    code: 'bad_duration',
    marked: withPart('max_duration: 8h', 'max_duration: ▲-1h'),
    says: /found "-1h"/,
  },
  {
    when: 'default_duration is over max_duration',
    code: 'bad_duration',
    marked: withPolicyLine('default_duration: ▲9h'),
    says: /longer than max_duration/,
  },
  {
    when: 'token_lifetime is under 30 s',
    code: 'bad_duration',
    marked: withPolicyLine('token_lifetime: ▲29s'),
    says: /30s to 1h/,
  },
  {
    when: 'token_lifetime is over an hour',
    code: 'bad_duration',
    marked: withPolicyLine('token_lifetime: ▲61m'),
    says: /30s to 1h/,
  },
  {
    when: 'a justification may be too long',
    code: 'bad_value',
    marked: withPolicyLine('justification: { min_length: ▲501 }'),
    says: /0 to 500/,
  },
  {
    when: 'a ticket pattern has a back-reference',
    code: 'bad_pattern',
    marked: withPolicyLine("justification: { ticket: ▲'(a)\\1' }"),
    says: /RE2.*can backtrack/,
  },
  {
    when: 'a ticket pattern looks ahead',
    code: 'bad_pattern',
    marked: withPolicyLine("justification: { ticket: ▲'^(?=a)a$' }"),
    says: /can backtrack/,
  },
  {
    when: 'a ticket pattern does not parse',
    code: 'bad_pattern',
    marked: withPolicyLine("justification: { ticket: ▲'(' }"),
    says: /RE2/,
  },
  {
    when: 'a condition does not parse',
    code: 'bad_condition',
    marked: withPolicyLine("when: 'subject.kind ==▲'"),
    says: /not valid CEL/,
  },
  {
    when: 'a condition names an unknown variable',
    code: 'bad_condition',
    marked: withPolicyLine('when: \'true && ▲user.id == "x"\''),
    says: /user/,
  },
  {
    when: 'a condition names an unknown field',
    code: 'bad_condition',
    marked: withPolicyLine('when: request.▲length > 1'),
    says: /length/,
  },
  {
    when: 'a condition is no yes or no',
    code: 'bad_condition',
    marked: withPolicyLine("auto_approve: '▲request.role'"),
    says: /true or false, but is a string/,
  },
  {
    when: 'a condition is no text',
    code: 'wrong_type',
    marked: withPolicyLine('when: ▲true'),
    says: /CEL expression in quotes/,
  },
  {
    when: 'a choice is unknown',
    code: 'bad_value',
    marked: withPolicyLine('approve_in: ▲slack'),
    says: /anywhere or browser/,
  },
  {
    when: 'a channel is a name',
    code: 'bad_value',
    marked: withPolicyLine("slack_channel: ▲'#payments'"),
    says: /C0PAYMENTS/,
  },
  {
    when: 'a client takes our name',
    code: 'name_taken',
    marked: withPart('admins:', 'clients:\n  ▲hallpass-cli: { title: Mine }\nadmins:'),
    says: /Hallpass’s own/,
  },
  {
    when: 'a workload takes our name',
    code: 'name_taken',
    marked: withPart('  bot:', '  ▲hallpass: { owner: leads }\n  bot:'),
    says: /Hallpass’s own/,
  },
  {
    when: 'a client takes a workload’s name',
    code: 'name_taken',
    marked: withPart('admins:', 'clients:\n  ▲bot: { title: Mine }\nadmins:'),
    says: /is a workload already/,
  },
  {
    when: 'one account belongs to two humans',
    code: 'same_human',
    marked: withPart(
      'groups:',
      'people:\n  alice@example.com: [a@example.com]\n  bob@example.com: [▲A@example.com]\ngroups:',
    ),
    says: /already belongs to alice/,
  },
  {
    when: 'a human is another’s account',
    code: 'same_human',
    marked: withPart(
      'groups:',
      'people:\n  alice@example.com: [bob@example.com]\n  ▲bob@example.com: [b@example.com]\ngroups:',
    ),
    says: /already belongs to alice/,
  },
  {
    when: 'a workload has two proofs',
    code: 'bad_value',
    marked: withPart(
      'owner: engineering',
      'owner: engineering, jwks_uri: https://x.example.com, jwks_file: ▲y',
    ).replace(
      'jwks_uri: https://x.example.com, jwks_file: ▲y',
      'jwks_file: y, jwks_uri: ▲https://x.example.com',
    ),
    says: /not several/,
  },
  {
    when: 'a key file cannot be read',
    code: 'bad_file',
    marked: withPart('owner: engineering', 'owner: engineering, jwks_file: ▲keys/bot.json'),
    says: /keys\/bot.json cannot be read/,
  },
  {
    when: 'a key file is no key set',
    code: 'bad_file',
    marked: withPart('owner: engineering', 'owner: engineering, jwks_file: ▲k'),
    says: /not a JWK Set/,
    options: { readFile: () => '{"keys":[{}]}' },
  },
  {
    when: 'a key file holds a private key',
    code: 'bad_file',
    marked: withPart('owner: engineering', 'owner: engineering, jwks_file: ▲k'),
    says: /secret key/,
    options: { readFile: () => '{"keys":[{"kty":"EC","d":"x"}]}' },
  },
  {
    when: 'a key address is plain http',
    code: 'bad_value',
    marked: withPart('owner: engineering', 'owner: engineering, jwks_uri: ▲http://x.example.com'),
    says: /https/,
  },
  {
    when: 'a federation lacks its subject',
    code: 'missing_key',
    marked: withPart(
      'owner: engineering',
      'owner: engineering, federation: ▲{ issuer: https://x.example.com, audience: y }',
    ),
    says: /"subject"/,
  },
  {
    when: 'groups nest in a circle',
    code: 'group_cycle',
    marked: withPart(
      'dana@example.com]',
      'group:a]\n  ▲a: [group:b]\n  b: [group:c]\n  c: [group:a]',
    ),
    says: /a → b → c → a/,
  },
  {
    when: 'a group nests itself',
    code: 'group_cycle',
    marked: withPart('  engineering: [', '  ▲engineering: [group:engineering, '),
    says: /engineering → engineering/,
  },
  {
    when: 'only the requester could fill the seat',
    code: 'seat_for_requester_only',
    marked: withPart('[{ from: [leads], count: 1 }]', '[▲{ from: [alice@example.com] }]').replace(
      'requesters: [engineering]',
      'requesters: [alice@example.com]',
    ),
    says: /Nobody but the requester \(alice@example.com\)/,
  },
  {
    when: 'only another account of the requester could fill the seat',
    code: 'seat_for_requester_only',
    marked: withPart('groups:', 'people:\n  alice@example.com: [a@example.com]\ngroups:')
      .replace('[{ from: [leads], count: 1 }]', '[▲{ from: [a@example.com] }]')
      .replace('requesters: [engineering]', 'requesters: [alice@example.com]'),
    says: /Nobody but the requester/,
  },
  {
    when: 'only owners of the requesting workload could fill the seat',
    code: 'seat_for_requester_only',
    marked: withPart('[{ from: [leads], count: 1 }]', '[▲{ from: [engineering] }]').replace(
      'requesters: [engineering]',
      "requesters: ['workload:bot']",
    ),
    says: /workload:bot/,
  },
  {
    when: 'nobody is in the groups of a seat',
    code: 'seat_without_people',
    marked: withPart('leads: [bob@example.com, carol@example.com]', 'leads: []').replace(
      '{ from',
      '▲{ from',
    ),
    says: /needs 1, and nobody can fill it/,
  },
  {
    when: 'a seat needs more people than there are',
    code: 'seat_without_people',
    marked: withPart('{ from: [leads], count: 1 }', '▲{ from: [leads], count: 3 }'),
    says: /needs 3, and only 2 people/,
  },
  {
    when: 'two accounts of one human are to fill two places',
    code: 'seat_without_people',
    marked: withPart(
      'groups:',
      'people: { bob@example.com: [carol@example.com] }\ngroups:',
    ).replace('{ from: [leads], count: 1 }', '▲{ from: [leads], count: 2 }'),
    says: /only one person/,
  },
  {
    when: 'one person is to fill two seats',
    code: 'seat_without_people',
    marked: withPart('leads: [bob@example.com, carol@example.com]', 'leads: [bob@example.com]')
      .replace('[{ from: [leads], count: 1 }]', '[{ from: [leads] }, { from: [bob@example.com] }]')
      .replace('name: read', 'name: ▲read'),
    says: /a person fills one seat/,
  },
  {
    when: 'the text is no YAML',
    code: 'syntax',
    marked: withPart('admins: [leads]\nworkloads', 'admins: [leads\n▲workloads'),
    says: /Not valid YAML/,
  },
  {
    when: 'a tag would build something',
    code: 'syntax',
    marked: withPart('admins: [leads]', 'admins: ▲!!js/function [leads]'),
    says: /Not valid YAML/,
  },
  {
    when: 'an alias names nothing',
    code: 'syntax',
    marked: withPart('admins: [leads]', 'admins: ▲*nothing'),
    says: /alias/i,
  },
]

describe('a fault in the catalog', () => {
  it('is nowhere in the catalog that the cases change', () => {
    expect(parseCatalog(smallCatalog)).toMatchObject({ faults: [], warnings: [] })
  })

  it.each(cases)('is named with its place when $when', ({ code, marked, says, options }) => {
    const { text, positions } = unmark(marked)
    const { catalog, faults } = parseCatalog(text, options)
    expect(faults.map(({ line, column, code }) => ({ line, column, code }))).toEqual(
      positions.map((position) => ({ ...position, code })),
    )
    expect(faults[0]?.message).toMatch(says)
    expect(catalog).toBeUndefined()
  })

  it('is reported together with all others, in the order of the file', () => {
    const { text, positions } = unmark(`version: 1
▲colour: blue
groups:
  engineering: [alice@example.com, ▲group:ghosts]
  leads: [bob@example.com]
admins: [▲nobody]
resources:
  api: { audience: ▲here, owner: ▲them, scopes: { read: Read } }
roles:
  reader: { resource: api, scopes: [▲write] }
policies:
  - ▲name: read
    roles: [▲writer]
    requesters: [leads]
    max_duration: ▲1year
    when: '▲nonsense'
  - name: ▲read
    roles: [reader]
    requesters: [leads]
    max_duration: 1h
    approval: [▲{ from: [bob@example.com], count: 2 }, { from: [leads], count: ▲0 }]
`)
    const { faults } = parseCatalog(text)
    expect(faults.map(({ line, column }) => ({ line, column }))).toEqual(positions)
  })

  it('carries a JSON pointer to its place', () => {
    const { faults } = parseCatalog(withPart('count: 1', 'count: 0'))
    expect(faults[0]?.pointer).toBe('/policies/0/approval/0/count')
  })

  it('escapes names in the pointer as RFC 6901 says', () => {
    const { faults } = parseCatalog(withPart('read: Read', "'a/b~c': ''"))
    expect(faults[0]?.pointer).toBe('/resources/api/scopes/a~1b~0c')
  })
})
