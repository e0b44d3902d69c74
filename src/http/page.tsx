import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

const styles = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; display: grid; justify-items: center; background: #f4f5f7; color: #1a1d21; }
main { width: min(30rem, calc(100% - 2rem)); margin: 10vh 0 2rem; padding: 1.5rem 2rem; box-sizing: border-box;
  background: #fff; border: 1px solid #c9ced6; border-radius: 8px; }
main.wide { width: min(60rem, calc(100% - 2rem)); margin-top: 2rem; }
main.wide ul { gap: .2rem; }
section { border-top: 1px solid #c9ced6; padding: .5rem 0 1rem; }
h3 { margin: .75rem 0 .25rem; font-size: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding-top: .5rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .75rem .2rem 0; border-bottom: 1px solid #e4e7eb; }
h1 { margin: 0 0 1rem; font-size: 1.4rem; }
code { overflow-wrap: anywhere; }
ul { padding: 0; list-style: none; display: grid; gap: .5rem; }
button { font: inherit; padding: .5rem 1rem; border: 1px solid #5b6472; border-radius: 6px; background: #fff;
  color: inherit; cursor: pointer; }
button.primary { background: #14532d; border-color: #14532d; color: #fff; }
ul button { width: 100%; text-align: left; }
.actions { display: flex; gap: .75rem; margin: 1.5rem 0 0; }
@media (prefers-color-scheme: dark) {
  body { background: #15181c; color: #e8eaed; }
  main { background: #1e2228; border-color: #3d4450; }
  button { background: #1e2228; border-color: #8b95a5; }
  a { color: #8ab4f8; }
}
`

const styleHash = createHash('sha256').update(styles).digest('base64')

export interface PageOptions {
  readonly title: string
  readonly status?: ContentfulStatusCode
  /** Origins beside our own that a form's answer may redirect to. */
  readonly formTargets?: readonly string[]
  /** For reading rather than for one decision. */
  readonly isWide?: boolean
}

/**
 * Answers with a page: no script at all, one style known by its hash, in no frame, kept by no cache. The body is
 * escaped by hono/jsx.
 */
export function answerPage(
  c: Context,
  options: PageOptions,
  body: Child,
): Response | Promise<Response> {
  const { title, status = 200, formTargets = [], isWide = false } = options
  c.header('Content-Security-Policy', policyWith(formTargets))
  c.header('Cache-Control', 'no-store')
  return c.html(
    <>
      {raw('<!DOCTYPE html>')}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>{`${title} · Hallpass`}</title>
          <style>{raw(styles)}</style>
        </head>
        <body>
          <main class={isWide ? 'wide' : ''}>
            <h1>{title}</h1>
            {body}
          </main>
        </body>
      </html>
    </>,
    status,
  )
}

function policyWith(formTargets: readonly string[]): string {
  return [
    "default-src 'none'",
    `style-src 'sha256-${styleHash}'`,
    ['form-action', "'self'", ...formTargets].join(' '),
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
