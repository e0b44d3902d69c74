/** One answer over HTTP, its body parsed when it is JSON. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: bodies are asserted on, not typed
  readonly body: any
}

/** A person or machine that calls the broker over REST. */
export interface Client {
  readonly token: string
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  delete(path: string): Promise<Answer>
}

export async function call(
  url: string,
  init: RequestInit & { readonly headers?: Record<string, string> } = {},
): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text !== '' ? JSON.parse(text) : text,
  }
}

export function clientWith(baseUrl: string, token: string): Client {
  const authorization = { Authorization: `Bearer ${token}` }
  return {
    token,
    get: (path, headers = {}) =>
      call(baseUrl + path, { headers: { ...authorization, ...headers } }),
    post: (path, body = {}, headers = {}) =>
      call(baseUrl + path, {
        method: 'POST',
        headers: { ...authorization, 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
    delete: (path) => call(baseUrl + path, { method: 'DELETE', headers: authorization }),
  }
}

/** Signs a person in through development sign-in. */
export async function signIn(baseUrl: string, subject: string): Promise<Client> {
  const answer = await call(`${baseUrl}/dev/sign-in`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ subject }),
  })
  if (answer.status !== 200) {
    throw new Error(`sign-in as ${subject} gave ${answer.status}: ${JSON.stringify(answer.body)}`)
  }
  return clientWith(baseUrl, answer.body.access_token)
}
