/** A name and a secret, as a client presents them. */
export interface PresentedSecret {
  readonly clientId: string
  readonly secret: string
}

/** RFC 6749 §2.3.1: both parts are form-urlencoded before they are joined. */
function formDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** Reads `Basic …` (RFC 7617, with the decoding of RFC 6749 §2.3.1); undefined when it is anything else. */
export function parseBasic(authorization: string): PresentedSecret | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/_-]+=*) *$/i.exec(authorization)?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 1) return undefined
  const clientId = formDecoded(text.slice(0, colon))
  const secret = formDecoded(text.slice(colon + 1))
  if (clientId === undefined || secret === undefined || secret === '') return undefined
  return { clientId, secret }
}
