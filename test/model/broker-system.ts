import { decodeJwt } from 'jose'
import pg from 'pg'
import { verifyLog } from '../../src/audit/reading/index.ts'
import { type Answer, type Client, call, clientWith, signIn } from '../support/client.ts'
import { type ClockedBroker, startClockedBroker } from '../support/clocked-broker.ts'
import type { Action, ActionOf, AskAction } from './actions.ts'
import { admin, companyText, resources, workload, workloadOwner } from './company.ts'
import { extensionReason, givenReason } from './reasons.ts'
import { inOrder, Names, type RestBody, seenGrant, seenPreview, seenRequest } from './seen.ts'
import type { Outcome, SeenEntry, SeenEvent, SeenGrant, SeenRequest, System } from './system.ts'

interface Credential {
  readonly client_id: string
  readonly client_secret: string
}

interface Token {
  readonly text: string
  readonly grant: number
}

const signIns = new Set(['development-sign-in', 'sign-in'])
/** What is done to tell a story, not in it. */
const besideTheStory = new Set([
  ...signIns,
  'rotate-keys',
  'retire-keys',
  'ensure-signing-keys',
  // about months of use, and tested where use is recorded
  'report-unused',
])

/**
 * A broker of its own over a database of its own, reached over HTTP as people and machines reach it. Its clock
 * moves when a story says so; its jobs run when a story says so.
 */
export class BrokerSystem implements System {
  readonly #broker: ClockedBroker
  readonly #owner: pg.Client
  readonly #names = new Names()
  readonly #sessions = new Map<string, Client>()
  readonly #tokens: Token[] = []
  readonly #credentials = new Map<string, Credential>()
  #entrySequence = '0'
  #eventSequence = '0'

  private constructor(broker: ClockedBroker, owner: pg.Client) {
    this.#broker = broker
    this.#owner = owner
  }

  static async start(at: Date): Promise<BrokerSystem> {
    const broker = await startClockedBroker({ catalog: companyText, at })
    const owner = new pg.Client(broker.database.ownerConnection)
    await owner.connect()
    const system = new BrokerSystem(broker, owner)
    await system.#makeCredentials()
    return system
  }

  async stop(): Promise<void> {
    await this.#owner.end()
    await this.#broker.stop()
  }

  /** Whether the audit log, sealed to its end, is whole. */
  async isLogIntact(): Promise<boolean> {
    await this.#broker.runJobs()
    const { isIntact } = await verifyLog(this.#broker.asOperator(), {})
    return isIntact
  }

  async perform(action: Action): Promise<Outcome> {
    switch (action.kind) {
      case 'advance':
        this.#broker.clock.advance(action.seconds)
        return { code: 'ok' }
      case 'run-jobs':
        await this.#broker.runJobs()
        return { code: 'ok' }
      case 'restart':
        await this.#broker.restart()
        return { code: 'ok' }
      case 'introspect':
        return { code: 'ok', isTokenActive: await this.#introspect(action) }
      case 'look':
        return this.#look(action.who)
      default:
        return this.#outcome(action, await this.#call(action))
    }
  }

  async requests(): Promise<readonly SeenRequest[]> {
    const items = await this.#listAs(admin, '/v1/requests', 'limit=200')
    const index = (id: string) => this.#names.request(id)
    return inOrder(items, index, (item) => seenRequest(this.#names, item))
  }

  async grants(): Promise<readonly SeenGrant[]> {
    const items = await this.#listAs(admin, '/v1/grants', 'limit=200')
    const index = (id: string) => this.#names.grant(id)
    return inOrder(items, index, (item) => seenGrant(this.#names, item))
  }

  async written() {
    return { entries: await this.#newEntries(), events: await this.#newEvents() }
  }

  #call(
    action: Exclude<Action, { kind: 'advance' | 'run-jobs' | 'restart' | 'introspect' | 'look' }>,
  ) {
    const [path, body] = this.#route(action)
    return this.#as(action.who, (client) => client.post(path, body))
  }

  #route(
    action: Exclude<Action, { kind: 'advance' | 'run-jobs' | 'restart' | 'introspect' | 'look' }>,
  ): readonly [path: string, body: object] {
    const reason = { reason: givenReason }
    switch (action.kind) {
      case 'ask':
        return ['/v1/requests', this.#askBody(action)]
      case 'preview':
        return ['/v1/requests/preview', this.#askBody(action)]
      case 'review': {
        const { verdict, scopes, durationSeconds, version } = action
        const path = `/v1/requests/${this.#names.requestId(action.request)}/reviews`
        return [path, { verdict, scopes, duration_seconds: durationSeconds, version }]
      }
      case 'cancel':
        return [`/v1/requests/${this.#names.requestId(action.request)}/cancel`, {}]
      case 'comment':
        return [
          `/v1/requests/${this.#names.requestId(action.request)}/comments`,
          { text: 'a word about it' },
        ]
      case 'extend':
        return [
          `/v1/grants/${this.#names.grantId(action.grant)}/extend`,
          {
            duration_seconds: action.durationSeconds,
            justification: extensionReason,
            ticket: action.ticket,
          },
        ]
      case 'release':
        return [`/v1/grants/${this.#names.grantId(action.grant)}/release`, {}]
      case 'revoke':
      case 'suspend':
      case 'resume':
        return [`/v1/grants/${this.#names.grantId(action.grant)}/${action.kind}`, reason]
      case 'mint':
        return [`/v1/grants/${this.#names.grantId(action.grant)}/tokens`, { scopes: action.scopes }]
      case 'revoke-subject':
      case 'disable-subject':
      case 'enable-subject': {
        const [act] = action.kind.split('-')
        return [`/v1/subjects/${encodeURIComponent(action.subject)}/${act}`, reason]
      }
      case 'revoke-resource':
        return [`/v1/resources/${action.resource}/revoke`, reason]
      default:
        return action satisfies never
    }
  }

  #askBody(ask: AskAction): object {
    const start = ask.startsInSeconds
    const startsAt = new Date(this.#broker.clock.now().getTime() + (start ?? 0) * 1000)
    return {
      role: ask.role,
      scopes: ask.scopes,
      duration_seconds: ask.durationSeconds,
      justification: ask.justification,
      ticket: ask.ticket,
      ...(start === undefined ? {} : { starts_at: startsAt.toISOString() }),
      is_break_glass: ask.isBreakGlass,
    }
  }

  #outcome(action: Action, answer: Answer): Outcome {
    const { status, body } = answer
    if (status >= 500) throw new Error(`${JSON.stringify(action)} gave ${JSON.stringify(body)}`)
    if (status >= 400) {
      const named: unknown = body.request_id
      const isNamed = typeof named === 'string'
      return {
        code: body.code,
        ...(isNamed ? { namedRequest: this.#names.request(named) } : {}),
      }
    }
    switch (action.kind) {
      case 'ask':
      case 'extend':
        return { code: 'ok', isNew: status === 201, request: this.#names.request(body.id) }
      case 'preview':
        return { code: 'ok', preview: seenPreview(body) }
      case 'mint':
        return { code: 'ok', token: this.#keepToken(action, body) }
      case 'revoke-subject':
      case 'disable-subject':
      case 'enable-subject':
      case 'revoke-resource':
        return { code: 'ok', grantsRevoked: body.grants_revoked }
      default:
        return { code: 'ok' }
    }
  }

  #keepToken({ grant }: ActionOf<'mint'>, body: RestBody) {
    this.#tokens.push({ text: body.access_token, grant })
    const { exp = 0, iat = 0, scope } = decodeJwt(body.access_token)
    const isAsSaid =
      scope === body.scope &&
      exp - iat === body.expires_in &&
      body.expires_in <= body.authorization_expires_in + 1
    if (!isAsSaid) throw new Error(`the token says otherwise: ${JSON.stringify(body)}`)
    return { scopes: body.scope.split(' '), expiresInSeconds: body.expires_in }
  }

  async #introspect({ token, resource }: ActionOf<'introspect'>): Promise<boolean> {
    const { client_id, client_secret } = this.#credentialOf(resource)
    const text = this.#tokens[token]?.text ?? ''
    const { body } = await call(`${this.#broker.url}/oauth/introspect`, {
      method: 'POST',
      headers: {
        Authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
      },
      body: new URLSearchParams({ token: text }),
    })
    return body.active
  }

  async #look(who: string): Promise<Outcome> {
    const answer = await this.#as(who, (client) => client.get('/v1/requests?limit=200'))
    if (answer.status !== 200) return { code: answer.body.code }
    const requests = (items: readonly RestBody[]) =>
      items.map(({ id }) => this.#names.request(id)).sort(byNumber)
    const grants = await this.#listAs(who, '/v1/grants', 'limit=3')
    return {
      code: 'ok',
      visible: {
        requests: requests(answer.body.items),
        toReview: requests(await this.#listAs(who, '/v1/requests', 'to_review=me&limit=3')),
        grants: grants.map(({ id }) => this.#names.grant(id)).sort(byNumber),
      },
    }
  }

  /** The whole list, page by page. */
  async #listAs(who: string, path: string, filter: string): Promise<readonly RestBody[]> {
    const items: RestBody[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const from: string = cursor === '' ? '' : `&cursor=${cursor}`
      const answer = await this.#as(who, (client) => client.get(`${path}?${filter}${from}`))
      if (answer.status !== 200) throw new Error(`${who} cannot list: ${JSON.stringify(answer)}`)
      items.push(...answer.body.items)
      cursor = answer.body.next_cursor
    }
    return items
  }

  /** With the session that is held, or another where that one is over. */
  async #as(who: string, act: (client: Client) => Promise<Answer>): Promise<Answer> {
    const held = this.#sessions.get(who)
    const first = held === undefined ? undefined : await act(held)
    if (first !== undefined && first.status !== 401) return first
    this.#sessions.delete(who)
    const opened = await this.#signIn(who)
    if ('status' in opened) return opened
    this.#sessions.set(who, opened)
    return act(opened)
  }

  async #signIn(who: string): Promise<Client | Answer> {
    const { url } = this.#broker
    if (who !== workload) {
      const answer = await call(`${url}/dev/sign-in`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ subject: who }),
      })
      return answer.status === 200 ? clientWith(url, answer.body.access_token) : answer
    }
    const { client_id, client_secret } = this.#credentialOf(workload)
    const answer = await call(`${url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret }),
    })
    if (answer.status === 200) return clientWith(url, answer.body.access_token)
    return { ...answer, body: { code: 'not_permitted' } }
  }

  async #makeCredentials(): Promise<void> {
    const make = async (who: string, path: string, name: string) => {
      const client = await signIn(this.#broker.url, who)
      const { status, body } = await client.post(path)
      if (status !== 201) throw new Error(`no credential for ${name}: ${JSON.stringify(body)}`)
      this.#credentials.set(name, body)
    }
    for (const name of resources) await make(admin, `/v1/resources/${name}/credentials`, name)
    await make(workloadOwner, '/v1/workloads/invoice-bot/credentials', workload)
    await this.written()
  }

  #credentialOf(name: string): Credential {
    const credential = this.#credentials.get(name)
    if (credential === undefined) throw new Error(`${name} has no credential`)
    return credential
  }

  async #newEntries(): Promise<readonly SeenEntry[]> {
    const { rows } = await this.#owner.query(
      'select * from audit_entry where sequence > $1 order by sequence',
      [this.#entrySequence],
    )
    this.#entrySequence = rows.at(-1)?.sequence ?? this.#entrySequence
    return rows
      .filter(({ action, outcome }) => outcome === 'refused' || !besideTheStory.has(action))
      .map((row) => ({
        outcome: row.outcome,
        // a workload that may not sign in is told so in OAuth's words
        code: row.action === 'sign-in' ? 'not_permitted' : row.code,
        actor: signIns.has(row.action) ? row.subject : row.actor_id,
        subject: row.subject,
        resource: row.resource,
        request: row.request_id === null ? null : this.#names.request(row.request_id),
        grant: row.grant_id === null ? null : this.#names.grant(row.grant_id),
      }))
  }

  async #newEvents(): Promise<readonly SeenEvent[]> {
    const { rows } = await this.#owner.query(
      `select type, order_key, sequence from outbox_event where sequence > $1 and type <> 'report.unused'
       order by sequence`,
      [this.#eventSequence],
    )
    this.#eventSequence = rows.at(-1)?.sequence ?? this.#eventSequence
    return rows.map(({ type, order_key: key }) => ({
      type,
      key: key.startsWith('req_')
        ? `request ${this.#names.request(key)}`
        : key.replace(/^fnd_.*/, 'finding'),
    }))
  }
}

function byNumber(one: number, other: number): number {
  return one - other
}
