import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Secrets that were given to the broker or made by it, and every form in which one could show itself. */
export class PlantedSecrets {
  readonly #needles = new Map<string, string>()
  readonly #names = new Set<string>()

  get count(): number {
    return this.#names.size
  }

  add(name: string, secret: string | undefined): string {
    if (secret === undefined || secret.length < 16) {
      throw new Error(`${name} is no secret to look for: ${secret}`)
    }
    this.#names.add(name)
    const bytes = Buffer.from(secret)
    this.#need(name, secret)
    this.#need(`${name}, URL-encoded`, encodeURIComponent(secret))
    this.#need(`${name}, JSON`, JSON.stringify(secret).slice(1, -1))
    this.#encodings(name, bytes)
    return secret
  }

  /** What is base64 already is looked for as bytes, too. */
  addBase64(name: string, secret: string, prefix = ''): string {
    this.add(name, prefix + secret)
    this.#encodings(`${name}, its bytes`, Buffer.from(secret, 'base64'))
    return prefix + secret
  }

  /** A JWT is good with its signature, and tells by its payload. */
  addToken(name: string, token: string): string {
    this.add(name, token)
    const [, payload = '', signature = ''] = token.split('.')
    this.#need(`${name}, its payload`, payload)
    this.#need(`${name}, its signature`, signature)
    this.#encodings(`${name}, its signature`, Buffer.from(signature, 'base64url'))
    return token
  }

  /** The names of those that a text holds, in whatever form. */
  findIn(text: string): readonly string[] {
    return [...this.#needles].filter(([needle]) => text.includes(needle)).map(([, name]) => name)
  }

  #encodings(name: string, bytes: Buffer): void {
    this.#need(`${name}, hex`, bytes.toString('hex'))
    this.#need(`${name}, base64`, bytes.toString('base64').replace(/=+$/, ''))
    this.#need(`${name}, base64url`, bytes.toString('base64url'))
  }

  #need(name: string, needle: string): void {
    if (!this.#needles.has(needle)) this.#needles.set(needle, name)
  }
}

/** One request to a server of this process and its answer, as text. */
export interface Exchange {
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly request: string
  readonly response: string
}

interface Started {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Listens in on the servers of this process that listen on `port`, without their knowing. */
export function tapServer(port: number): { exchanges(): readonly Exchange[]; end(): void } {
  const seen: Array<{ started: Started; sent: Buffer[]; answered: Buffer[] }> = []
  const listen = (message: unknown) => {
    const started = message as Started
    if (started.request.socket.localPort !== port) return
    const sent: Buffer[] = []
    const answered: Buffer[] = []
    const { request, response } = started
    const push = request.push.bind(request)
    request.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
      if (chunk !== null) sent.push(Buffer.from(chunk))
      return push(chunk, encoding)
    }
    const end = response.end.bind(response) as (...values: unknown[]) => ServerResponse
    response.end = ((...values: unknown[]) => {
      const [chunk] = values
      if (typeof chunk === 'string' || Buffer.isBuffer(chunk)) answered.push(Buffer.from(chunk))
      return end(...values)
    }) as typeof response.end
    seen.push({ started, sent, answered })
  }
  subscribe('http.server.request.start', listen)
  return {
    exchanges: () =>
      seen.map(({ started: { request }, sent, answered }) => ({
        url: request.url ?? '',
        headers: request.headers,
        request: Buffer.concat(sent).toString(),
        response: Buffer.concat(answered).toString(),
      })),
    end: () => unsubscribe('http.server.request.start', listen),
  }
}
