import { expect } from 'vitest'
import type { z } from 'zod'
import { type Answer, call } from '../support/client.ts'
import { type Definitions, departures, type JsonSchema } from './json-schema.ts'

interface Operation {
  readonly security?: readonly Readonly<Record<string, unknown>>[]
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>> }>
  >
}

interface ApiDescription {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Definitions; readonly securitySchemes: object }
}

/** How one operation is called: a path template of the description, and what fills it. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly fill?: Readonly<Record<string, string>>
  readonly query?: string
  readonly body?: object
  readonly form?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

/** Calls a broker by its own description, and holds every answer against it. */
export class DescribedApi {
  readonly #url: string
  readonly description: ApiDescription
  /** Operations that were answered with success, as `GET /v1/me`. */
  readonly done = new Set<string>()

  private constructor(url: string, description: ApiDescription) {
    this.#url = url
    this.description = description
  }

  static async read(url: string): Promise<DescribedApi> {
    const { status, body } = await call(`${url}/openapi.json`)
    expect(status).toBe(200)
    return new DescribedApi(url, body)
  }

  /** Every operation, as `GET /v1/me`. */
  operations(): readonly string[] {
    return Object.entries(this.description.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
  }

  securityOf(operation: string): string | undefined {
    return Object.keys(this.#operation(operation).security?.[0] ?? {})[0]
  }

  /** Calls it and checks the answer against its description, and against `shape` where one is given. */
  async call(asked: Call, status: number, shape?: z.ZodType): Promise<Answer> {
    const answer = await this.send(asked)
    const name = `${asked.method} ${asked.path}`
    expect({ name, status: answer.status, body: answer.body }).toMatchObject({ name, status })
    this.check(name, answer)
    if (answer.status < 300) this.done.add(name)
    if (shape !== undefined) expect(shape.safeParse(answer.body).error?.issues).toBeUndefined()
    return answer
  }

  send({ method, path, fill = {}, query, body, form, headers = {} }: Call): Promise<Answer> {
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(fill[name] ?? name))
    const isJson = body !== undefined || (method === 'POST' && form === undefined)
    return call(`${this.#url}${filled}${query === undefined ? '' : `?${query}`}`, {
      method,
      headers: { ...(isJson ? { 'Content-Type': 'application/json' } : {}), ...headers },
      ...(isJson ? { body: JSON.stringify(body ?? {}) } : {}),
      ...(form === undefined ? {} : { body: new URLSearchParams(form) }),
    })
  }

  /** Holds an answer against what the description says of its operation and status. */
  check(name: string, { status, headers, body }: Answer): void {
    const { responses } = this.#operation(name)
    const response = responses[status] ?? (status >= 400 ? responses.default : undefined)
    expect(response, `${name} answers ${status}, which is not described`).toBeDefined()
    const [type = ''] = (headers.get('content-type') ?? '').split(';')
    const content = response?.content
    if (content === undefined) {
      expect(body, `${name} answers a body that is not described`).toBe('')
      return
    }
    const schema = content[type]?.schema
    expect(schema, `${name} answers ${status} as ${type}, which is not described`).toBeDefined()
    const found = departures(schema ?? {}, body, this.description.components.schemas)
    expect({ name, departures: found }).toEqual({ name, departures: [] })
  }

  #operation(name: string): Operation {
    const [method = '', path = ''] = name.split(' ')
    const operation = this.description.paths[path]?.[method.toLowerCase()]
    if (operation === undefined) throw new Error(`${name} is not in /openapi.json`)
    return operation
  }
}
