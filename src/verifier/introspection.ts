import type { BrokerClient } from './broker-client.ts'
import { parseJsonObject } from './json.ts'

/** `unavailable`: the broker gave no answer that could be believed. */
export type IntrospectionAnswer = 'active' | 'inactive' | 'unavailable'

/** Asks the broker about tokens (RFC 7662). What is asked about one token at the same time is asked once. */
export class Introspector {
  readonly #broker: BrokerClient
  readonly #onFailure: (error: unknown) => void
  readonly #asking = new Map<string, Promise<IntrospectionAnswer>>()
  #count = 0

  constructor(broker: BrokerClient, onFailure: (error: unknown) => void) {
    this.#broker = broker
    this.#onFailure = onFailure
  }

  /** How many requests were sent. */
  get count(): number {
    return this.#count
  }

  /** `digest` stands for the whole token; `scope` is what is about to be enforced. Never rejects. */
  ask(
    digest: string,
    token: string,
    scope: string | undefined,
    timeoutMilliseconds: number,
  ): Promise<IntrospectionAnswer> {
    const asking = this.#asking.get(digest)
    if (asking !== undefined) return asking
    const answer = this.#ask(token, scope, timeoutMilliseconds).finally(() => {
      this.#asking.delete(digest)
    })
    this.#asking.set(digest, answer)
    return answer
  }

  async #ask(
    token: string,
    scope: string | undefined,
    timeoutMilliseconds: number,
  ): Promise<IntrospectionAnswer> {
    this.#count += 1
    const form = new URLSearchParams({ token, token_type_hint: 'access_token' })
    if (scope !== undefined) form.set('scope', scope)
    try {
      const text = await this.#broker.fetchText('/oauth/introspect', {
        method: 'POST',
        headers: {
          Accept: 'application/json',
          'Content-Type': 'application/x-www-form-urlencoded',
        },
        body: form.toString(),
        timeoutMilliseconds,
      })
      const active = parseJsonObject(text)?.active
      if (typeof active !== 'boolean') throw new TypeError('The introspection says nothing.')
      return active ? 'active' : 'inactive'
    } catch (error) {
      this.#onFailure(error)
      return 'unavailable'
    }
  }
}
