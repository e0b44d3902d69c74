import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { AuthorizationRequest } from '../identity/index.ts'
import { answerPage } from './page.tsx'

type Page = Response | Promise<Response>

const withReturnTo = (path: string, returnTo: string): string =>
  `${path}?return_to=${encodeURIComponent(returnTo)}`

/** Development mode: whom would you like to be? */
export function developmentSignInPage(
  c: Context,
  facts: {
    readonly people: readonly string[]
    readonly returnTo: string
    readonly formToken: string
  },
): Page {
  return answerPage(
    c,
    { title: 'Development sign-in' },
    <>
      <p>No identity provider is configured and this is your own machine, so be whom you like.</p>
      <form method="post" action="/sign-in/development">
        <input type="hidden" name="form_token" value={facts.formToken} />
        <input type="hidden" name="return_to" value={facts.returnTo} />
        <ul>
          {facts.people.map((person) => (
            <li>
              <button type="submit" name="subject" value={person}>
                {person}
              </button>
            </li>
          ))}
        </ul>
      </form>
    </>,
  )
}

/** Somebody is signed in and wanted nothing else. */
export function signedInPage(
  c: Context,
  facts: { readonly subject: string; readonly formToken: string },
): Page {
  return answerPage(
    c,
    { title: 'Signed in' },
    <>
      <p>
        You are signed in to Hallpass as <strong>{facts.subject}</strong>.
      </p>
      <form method="post" action="/sign-out">
        <input type="hidden" name="form_token" value={facts.formToken} />
        <p class="actions">
          <button type="submit">Sign out</button>
        </p>
      </form>
    </>,
  )
}

/**
 * A link leads on, never a redirect: a form's answer may not lead to the identity provider (`form-action`), and
 * going there by itself would sign the same person in again.
 */
export function signedOutPage(c: Context, returnTo: string): Page {
  return answerPage(
    c,
    { title: 'Signed out' },
    <p>
      You are signed out of Hallpass. <a href={withReturnTo('/sign-in', returnTo)}>Sign in</a>
    </p>,
  )
}

/** Names the client, the person and the address before anything leaves (CONTRACTS §5). */
export function authorizePage(
  c: Context,
  facts: {
    readonly request: AuthorizationRequest
    readonly parameters: URLSearchParams
    readonly subject: string
    readonly formTokens: { readonly authorize: string; readonly signOut: string }
  },
): Page {
  const { request, subject } = facts
  const target = new URL(request.redirectUri)
  // CSP knows no IPv6 address, so for that one its scheme has to do
  const formTarget = target.hostname.startsWith('[') ? 'http:' : target.origin
  const again = `/oauth/authorize?${facts.parameters}`
  return answerPage(
    c,
    { title: `Sign in to ${request.clientTitle}`, formTargets: [formTarget] },
    <>
      <p>
        <strong>{request.clientTitle}</strong> (<code>{request.clientId}</code>) asks to act in
        Hallpass as <strong>{subject}</strong>.
      </p>
      <p>
        If you allow it, the sign-in goes to <code>{target.origin}</code>, a program on this
        computer. Allow it only if you started that program yourself, just now.
      </p>
      <form method="post" action="/oauth/authorize">
        <input type="hidden" name="form_token" value={facts.formTokens.authorize} />
        {[...facts.parameters].map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <p class="actions">
          <button type="submit" name="verdict" value="allow" class="primary">
            Allow
          </button>
          <button type="submit" name="verdict" value="cancel">
            Cancel
          </button>
        </p>
      </form>
      <form method="post" action="/sign-out">
        <input type="hidden" name="form_token" value={facts.formTokens.signOut} />
        <input type="hidden" name="return_to" value={again} />
        <button type="submit">Not {subject}? Sign in as somebody else</button>
      </form>
    </>,
  )
}

/** Says what went wrong and what to do. */
export function refusalPage(
  c: Context,
  facts: {
    readonly title: string
    readonly message: string
    readonly status: ContentfulStatusCode
    readonly returnTo?: string | undefined
  },
): Page {
  return answerPage(
    c,
    { title: facts.title, status: facts.status },
    <>
      <p>{facts.message}</p>
      {facts.returnTo === undefined ? null : (
        <p>
          <a href={withReturnTo('/sign-in', facts.returnTo)}>Start again</a>
        </p>
      )}
    </>,
  )
}
