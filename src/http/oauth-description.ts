import { z } from '@hono/zod-openapi'
import type { Router } from './routing.ts'

const text = z.string().optional()

const errorAnswer = {
  description: 'Refused: an RFC 6749 §5.2 error',
  content: {
    'application/json': {
      schema: z.object({ error: z.string(), error_description: z.string() }).openapi('OAuthError'),
    },
  },
}

const tokenForm = z.object({
  grant_type: z.enum(['client_credentials', 'authorization_code']),
  scope: text,
  resource: text,
  client_id: text,
  client_secret: text,
  client_assertion: text,
  client_assertion_type: text,
  code: text,
  redirect_uri: text,
  code_verifier: text,
})

/** RFC 6749 §5.1; the last two come with an access token, not with a session. */
const tokenAnswer = z
  .object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.number().int(),
    scope: text,
    grant_id: text,
    authorization_expires_in: z.number().int().optional(),
  })
  .openapi('OAuthToken')

/** RFC 7662 §2.2: nothing but `active` when it is false. */
const introspectionAnswer = z
  .object({
    active: z.boolean(),
    scope: text,
    client_id: text,
    token_type: text,
    exp: z.number().int().optional(),
    iat: z.number().int().optional(),
    nbf: z.number().int().optional(),
    sub: text,
    aud: text,
    iss: text,
    jti: text,
    grant_id: text,
  })
  .openapi('Introspection')

const keySetAnswer = z
  .object({ keys: z.array(z.record(z.string(), z.unknown())) })
  .openapi('KeySet')

const metadataAnswer = z.record(z.string(), z.unknown())

interface Description {
  readonly method: 'get' | 'post'
  readonly path: string
  readonly summary: string
  readonly form?: z.ZodObject
  readonly answer?: z.ZodType
}

const descriptions: readonly Description[] = [
  {
    method: 'post',
    path: '/oauth/token',
    summary: 'A token for a client (RFC 6749 §4.1.3, §4.4; RFC 8707)',
    form: tokenForm,
    answer: tokenAnswer,
  },
  {
    method: 'post',
    path: '/oauth/introspect',
    summary: 'Is this token good here? (RFC 7662)',
    form: z.object({ token: z.string(), scope: text }),
    answer: introspectionAnswer,
  },
  {
    method: 'post',
    path: '/oauth/revoke',
    summary: 'Take a token back (RFC 7009)',
    form: z.object({ token: z.string() }),
  },
  {
    method: 'get',
    path: '/oauth/jwks',
    summary: 'The keys that tokens are signed with (RFC 7517)',
    answer: keySetAnswer,
  },
  {
    method: 'get',
    path: '/.well-known/oauth-authorization-server',
    summary: 'Server metadata (RFC 8414)',
    answer: metadataAnswer,
  },
  {
    method: 'get',
    path: '/.well-known/openid-configuration',
    summary: 'The same document',
    answer: metadataAnswer,
  },
]

/** Puts the machine's side of OAuth into /openapi.json; its routes read forms and are not made by `addRoute`. */
export function describeOAuth(router: Router): void {
  for (const { method, path, summary, form, answer } of descriptions) {
    const content =
      answer === undefined ? {} : { content: { 'application/json': { schema: answer } } }
    router.openAPIRegistry.registerPath({
      method,
      path,
      summary,
      tags: ['OAuth'],
      ...(form === undefined
        ? {}
        : {
            request: {
              body: {
                content: { 'application/x-www-form-urlencoded': { schema: form } },
                required: true,
              },
            },
          }),
      responses: {
        200: { description: 'Done', ...content },
        ...(method === 'post' ? { default: errorAnswer } : {}),
      },
    })
  }
}
