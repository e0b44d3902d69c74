import { type JsonObject, parseJsonObject } from './json.ts'

/** Nothing that is longer is looked at. */
export const longestToken = 8 * 1024

/** A compact JWS (RFC 7515 §7.1), taken apart and not yet believed. */
export interface CompactToken {
  readonly header: JsonObject
  /** The payload as it stands in the token; parsed only when the signature holds. */
  readonly encodedPayload: string
  /** What was signed. */
  readonly signedText: string
  readonly signature: Buffer
}

const compactForm = /^[\w-]+\.[\w-]+\.[\w-]+$/

/**
 * Undefined unless the text is exactly three base64url parts with an object for a header. A signature in any but its
 * one canonical spelling is refused: another spelling would be another token with the same meaning.
 */
export function parseCompactToken(text: string): CompactToken | undefined {
  if (text.length > longestToken || !compactForm.test(text)) return undefined
  const headerEnd = text.indexOf('.')
  const payloadEnd = text.indexOf('.', headerEnd + 1)
  const header = parseJsonObject(decode(text.slice(0, headerEnd)))
  if (header === undefined || 'crit' in header) return undefined
  const encodedSignature = text.slice(payloadEnd + 1)
  const signature = Buffer.from(encodedSignature, 'base64url')
  if (signature.toString('base64url') !== encodedSignature) return undefined
  return {
    header,
    encodedPayload: text.slice(headerEnd + 1, payloadEnd),
    signedText: text.slice(0, payloadEnd),
    signature,
  }
}

/** The claims of a token whose signature held; undefined when they are no object. */
export function payloadOf(token: CompactToken): JsonObject | undefined {
  return parseJsonObject(decode(token.encodedPayload))
}

function decode(part: string): string {
  return Buffer.from(part, 'base64url').toString('utf8')
}
