import { describe, expect, it } from 'vitest'
import { parseCatalog } from '../../src/catalog/parse-catalog.ts'
import { unmark, withPart } from './support.ts'

const lastLine = '    approval: [{ from: [leads], count: 1 }]\n'
const another = (name: string, rest: string): string =>
  withPart(lastLine, `${lastLine}  - name: ${name}\n    max_duration: 1h\n${rest}`)

describe('a warning', () => {
  it.each([
    {
      when: 'only holders of a claim can fill a seat',
      code: 'seat_for_claims_only',
      marked: withPart('{ from: [leads], count: 1 }', "▲{ from: ['claim:okta-leads'], count: 2 }"),
    },
    {
      when: 'some requesters could never be approved',
      code: 'seat_blocks_requester',
      marked: withPart('[{ from: [leads], count: 1 }]', '[▲{ from: [alice@example.com] }]'),
    },
    {
      when: 'there are no admins',
      code: 'no_admins',
      marked: `▲${withPart('admins: [leads]\n', '')}`,
    },
    {
      when: 'a role has no policy',
      code: 'role_without_policy',
      marked: withPart('  reader:', '  ▲writer: { resource: api, scopes: [write] }\n  reader:'),
    },
    {
      when: 'a policy is never reached',
      code: 'policy_never_reached',
      marked: another(
        '▲late',
        '    roles: [reader]\n    requesters: [alice@example.com]\n    approval: none\n',
      ),
    },
    {
      when: 'auto_approve can never count',
      code: 'condition_never_used',
      marked: withPart(lastLine, "    approval: none\n    auto_approve: ▲'true'\n"),
    },
    {
      when: 'a member is listed twice',
      code: 'listed_twice',
      marked: withPart('dana@example.com', 'dana@example.com, ▲Dana@Example.com'),
    },
  ])('is given, and the catalog loads, when $when', ({ code, marked }) => {
    const { text, positions } = unmark(marked)
    const { catalog, faults, warnings } = parseCatalog(text)
    expect(faults).toEqual([])
    expect(catalog).toBeDefined()
    expect(warnings.map(({ line, column, code }) => ({ line, column, code }))).toEqual(
      positions.map((position) => ({ ...position, code })),
    )
  })

  it.each([
    ['has a condition of its own', "    when: 'request.is_extension'\n"],
    ['is for break-glass', '    break_glass: { review_within: 1h }\n'],
  ])('is not given for a later policy when the earlier %s', (_, line) => {
    const late = `  - name: late\n    roles: [reader]\n    requesters: [engineering]\n    max_duration: 1h\n${lastLine}`
    const text = withPart(lastLine, `${lastLine}${line}${late}`)
    expect(parseCatalog(text)).toMatchObject({ faults: [], warnings: [] })
  })

  it('is not given for a role whose policy has a fault', () => {
    const { faults, warnings } = parseCatalog(withPart('max_duration: 8h', 'max_duration: 8w'))
    expect(faults).toMatchObject([{ code: 'bad_duration' }])
    expect(warnings).toEqual([])
  })

  it('is not given for a seat that named people and a claim can fill', () => {
    const text = withPart('{ from: [leads]', "{ from: [leads, 'claim:okta-leads']")
    expect(parseCatalog(text)).toMatchObject({ faults: [], warnings: [] })
  })
})
