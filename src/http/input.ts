import type { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { HallpassError, type InputFault } from '../errors.ts'

function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function faultsOf(error: z.ZodError): InputFault[] {
  return error.issues.slice(0, 50).flatMap((issue): InputFault[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        pointer: pointerOf([...issue.path, key]),
        message: 'is not known here; remove it',
      }))
    }
    return [{ pointer: pointerOf(issue.path), message: issue.message }]
  })
}

function check<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const errors = faultsOf(result.error)
  const first = errors[0]
  throw new HallpassError(
    'invalid_input',
    `The ${what} is not valid${first === undefined ? '' : `: ${first.pointer === '' ? '' : `${first.pointer}: `}${first.message}`}.`,
    { errors },
  )
}

export function readParameters(c: Context, schema: z.ZodObject | undefined): unknown {
  return schema === undefined ? undefined : check(schema, c.req.param(), 'path')
}

export function readQuery(c: Context, schema: z.ZodObject | undefined): unknown {
  if (schema === undefined) return undefined
  const values = Object.entries(c.req.queries()).map(([name, all]) => [
    name,
    all.length === 1 ? all[0] : all,
  ])
  return check(schema, Object.fromEntries(values), 'query')
}

/** Reads a JSON body. An empty body counts as `{}`; anything that is not JSON is refused by its type first. */
export async function readBody(
  c: Context,
  schema: z.ZodType | undefined,
): Promise<{ text: string; body: unknown }> {
  if (schema === undefined) return { text: '', body: undefined }
  const text = await c.req.text()
  const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (text !== '' && type !== 'application/json') {
    throw new HallpassError('unsupported_media_type', 'Send the body as application/json.')
  }
  return { text, body: check(schema, parsed(text), 'body') }
}

function parsed(text: string): unknown {
  if (text === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw new HallpassError('invalid_input', 'The body is not JSON.', {
      errors: [{ pointer: '', message: 'is not JSON' }],
    })
  }
}
