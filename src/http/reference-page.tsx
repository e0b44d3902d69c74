import type { FC } from 'hono/jsx'

interface ReferenceDocument {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string }
  readonly paths?: Readonly<Record<string, unknown>>
}

interface Operation {
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly security?: readonly object[]
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
  }[]
  readonly requestBody?: unknown
  readonly responses?: Readonly<Record<string, { readonly description?: string }>>
}

const methods = ['get', 'post', 'delete'] as const

function operationsOf(document: ReferenceDocument) {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = (item as Readonly<Record<string, Operation | undefined>>)[method]
      return operation === undefined ? [] : [{ path, method, operation }]
    }),
  )
}

const Entry: FC<{ path: string; method: string; operation: Operation }> = ({
  path,
  method,
  operation,
}) => (
  <section>
    <h3>
      <code>
        {method.toUpperCase()} {path}
      </code>
    </h3>
    <p>{operation.summary ?? ''}</p>
    {(operation.parameters ?? []).length > 0 && (
      <p>
        Parameters:{' '}
        {(operation.parameters ?? [])
          .map(({ name, required }) => (required === true ? name : `${name} (optional)`))
          .join(', ')}
      </p>
    )}
    {operation.requestBody !== undefined && (
      <pre tabindex={0}>{JSON.stringify(operation.requestBody, null, 2)}</pre>
    )}
  </section>
)

/** The reference for people: every operation, by room, from the OpenAPI document. Needs no script. */
export function referencePage(document: ReferenceDocument) {
  const operations = operationsOf(document)
  const tags = [...new Set(operations.map(({ operation }) => operation.tags?.[0] ?? 'other'))]
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{`${document.info.title} API reference`}</title>
      </head>
      <body>
        <main>
          <h1>{`${document.info.title} ${document.info.version}`}</h1>
          <p>{document.info.description}</p>
          <p>
            The machine-readable form is <a href="/openapi.json">/openapi.json</a>.
          </p>
          {tags.map((tag) => (
            <>
              <h2>{tag}</h2>
              {operations
                .filter(({ operation }) => (operation.tags?.[0] ?? 'other') === tag)
                .map((entry) => (
                  <Entry {...entry} />
                ))}
            </>
          ))}
        </main>
      </body>
    </html>
  )
}
