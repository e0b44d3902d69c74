import type { Context } from 'hono'
import type { FC } from 'hono/jsx'
import { answerPage } from './page.tsx'

interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly format?: string
  readonly enum?: readonly unknown[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

type Content = Readonly<Record<string, { readonly schema?: Schema }>>

interface Operation {
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly security?: readonly object[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content?: Content }
  readonly responses?: Readonly<Record<string, { readonly content?: Content }>>
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema?: Schema
}

interface ReferenceDocument {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string }
  readonly paths?: object
  readonly components?: object
}

interface Row {
  readonly name: string
  readonly type: string
  readonly note: string
}

const methods = ['get', 'post', 'delete'] as const

function operationsOf({ paths = {} }: ReferenceDocument) {
  return Object.entries(paths).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = (item as Readonly<Record<string, Operation | undefined>>)[method]
      return operation === undefined ? [] : [{ path, method, operation }]
    }),
  )
}

type Resolve = (schema: Schema) => Schema

function resolverOf({ components }: ReferenceDocument): Resolve {
  const { schemas = {} } = (components ?? {}) as { schemas?: Readonly<Record<string, Schema>> }
  return (schema) => schemas[schema.$ref?.split('/').at(-1) ?? ''] ?? schema
}

function typeOf(schema: Schema, resolve: Resolve): string {
  if (schema.enum !== undefined)
    return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (schema.anyOf !== undefined) return schema.anyOf.map((one) => typeOf(one, resolve)).join(' | ')
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1) ?? 'object'
  if (schema.type === 'array') return `${typeOf(schema.items ?? {}, resolve)}[]`
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? ['any'])
  return `${types.join(' | ')}${schema.format === undefined ? '' : ` (${schema.format})`}`
}

function membersOf(content: Content | undefined, resolve: Resolve): readonly Row[] {
  const schema = resolve(content?.['application/json']?.schema ?? {})
  return Object.entries(schema.properties ?? {}).map(([name, member]) => ({
    name,
    type: typeOf(member, resolve),
    note: schema.required?.includes(name) === true ? '' : 'optional',
  }))
}

const Members: FC<{ caption: string; rows: readonly Row[] }> = ({ caption, rows }) => (
  <table>
    <caption>{caption}</caption>
    {rows.map(({ name, type, note }) => (
      <tr>
        <th scope="row">
          <code>{name}</code>
        </th>
        <td>{type}</td>
        <td>{note}</td>
      </tr>
    ))}
  </table>
)

const Entry: FC<{ path: string; method: string; operation: Operation; resolve: Resolve }> = ({
  path,
  method,
  operation,
  resolve,
}) => {
  const parameters = (operation.parameters ?? []).map((parameter) => ({
    name: parameter.name,
    type: typeOf(parameter.schema ?? {}, resolve),
    note: parameter.required === true ? parameter.in : `${parameter.in}, optional`,
  }))
  const body = membersOf(operation.requestBody?.content, resolve)
  const [status, response] = Object.entries(operation.responses ?? {})[0] ?? ['200', {}]
  const answer = membersOf(response.content, resolve)
  return (
    <section id={`${method}-${path}`}>
      <h3>
        <code>
          {method.toUpperCase()} {path}
        </code>
      </h3>
      <p>{operation.summary ?? ''}</p>
      {parameters.length > 0 && <Members caption="Parameters" rows={parameters} />}
      {body.length > 0 && <Members caption="Body" rows={body} />}
      {answer.length > 0 && <Members caption={`Answer, ${status}`} rows={answer} />}
    </section>
  )
}

/** The reference for people: every operation, by room, from the OpenAPI document. Needs no script. */
export function answerReference(c: Context, document: ReferenceDocument) {
  const operations = operationsOf(document)
  const resolve = resolverOf(document)
  const tagOf = ({ operation }: { operation: Operation }) => operation.tags?.[0] ?? 'other'
  const tags = [...new Set(operations.map(tagOf))].map((tag) => ({
    tag,
    entries: operations.filter((entry) => tagOf(entry) === tag),
  }))
  const { title, version, description } = document.info
  return answerPage(
    c,
    { title: `${title} ${version}: the API`, isWide: true },
    <>
      <p>
        {description} Sessions go out as <code>Authorization: Bearer hps_…</code>, a resource’s own
        credential as HTTP Basic. Refusals are RFC 9457 problems with a stable <code>code</code>.
        For machines: <a href="/openapi.json">/openapi.json</a>.
      </p>
      {tags.map(({ tag, entries }) => (
        <>
          <h2>{tag}</h2>
          <ul>
            {entries.map(({ path, method, operation }) => (
              <li>
                <a href={`#${method}-${path}`}>
                  <code>
                    {method.toUpperCase()} {path}
                  </code>
                </a>{' '}
                {operation.summary ?? ''}
              </li>
            ))}
          </ul>
        </>
      ))}
      {tags.flatMap(({ entries }) =>
        entries.map((entry) => <Entry {...entry} resolve={resolve} />),
      )}
    </>,
  )
}
