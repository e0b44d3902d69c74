/** Name and secret of a resource credential. */
export interface Credential {
  readonly clientId: string
  readonly clientSecret: string
}

/** The `Authorization` header. RFC 6749 §2.3.1: both parts are form-urlencoded before they are joined. */
export function basicOf({ clientId, clientSecret }: Credential): string {
  const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}
