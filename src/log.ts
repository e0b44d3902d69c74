import pino from 'pino'
import type { Log } from './context.ts'

const secretMembers = [
  'access_token',
  'accessToken',
  'refresh_token',
  'client_secret',
  'clientSecret',
  'client_assertion',
  'authorization',
  'cookie',
  'password',
  'secret',
  'token',
  'code_verifier',
  'master_key',
]

/** At the top level `code` is what went wrong; below, it is an OAuth client's. */
const nestedSecretMembers = [...secretMembers, 'code']

/** Secrets have shapes of their own; whatever looks like one is blacked out in every string. */
const secretShapes = [
  /hp[a-z]_[A-Za-z0-9_-]{20,}/g,
  /whsec_[A-Za-z0-9+/=]{20,}/g,
  /xox[a-z]-[A-Za-z0-9-]{10,}/g,
  /eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g,
  /(postgres(?:ql)?:\/\/[^:@/\s]*:)[^@\s]+@/g,
]

function withoutSecrets(line: string): string {
  return secretShapes.reduce((text, shape) => text.replace(shape, '[redacted]'), line)
}

/** JSON lines on `write` (stderr for the broker), with secrets blacked out by name and by shape. */
export function createLog(
  write: (line: string) => void,
  level: 'debug' | 'info' | 'warn' | 'error' = 'info',
): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
      redact: {
        paths: [
          ...secretMembers,
          ...nestedSecretMembers.flatMap((name) => [`*.${name}`, `*.*.${name}`]),
        ],
        censor: '[redacted]',
      },
    },
    { write: (line: string) => write(withoutSecrets(line)) },
  )
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  }
}
