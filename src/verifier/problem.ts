import type { VerifyError } from './verify-error.ts'

/** What a refused request is answered with. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const titles: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  503: 'Service Unavailable',
}

/** RFC 9457 problem details with our code, and the challenge. */
export function problemOf({ code, message, status, wwwAuthenticate }: VerifyError): Answer {
  const title = titles[status] ?? 'Refused'
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(wwwAuthenticate === undefined ? {} : { 'WWW-Authenticate': wwwAuthenticate }),
      ...(status === 503 ? { 'Retry-After': '1' } : {}),
    },
    body: JSON.stringify({ type: 'about:blank', title, status, code, detail: message }),
  }
}
