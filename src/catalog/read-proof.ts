import type { WorkloadProof } from './catalog.ts'
import type { Findings } from './finding.ts'
import { type Mapping, optional, readMapping, readText, required } from './read-values.ts'
import type { Value } from './yaml-source.ts'

/** Gives the text of a file named in the catalog, relative to the catalog; undefined when it cannot be read. */
export type FileReader = (path: string) => string | undefined

type Key = Readonly<Record<string, unknown>>

/** How a workload proves who it is: `jwks_file`, `jwks_uri` or `federation`, at most one. */
export function readProof(
  findings: Findings,
  workload: Mapping,
  readFile: FileReader,
): WorkloadProof | undefined {
  const file = optional(workload, 'jwks_file')
  const uri = optional(workload, 'jwks_uri')
  const federation = optional(workload, 'federation')
  const [, second] = [file, uri, federation].filter((value) => value !== undefined)
  if (second !== undefined) {
    findings.fault(
      second,
      'bad_value',
      'Give one of jwks_file, jwks_uri and federation, not several.',
    )
    return undefined
  }
  if (file !== undefined) return readKeyFile(findings, file, readFile)
  if (uri !== undefined) {
    const text = readSecureUrl(findings, uri)
    return text === undefined ? undefined : { kind: 'jwks_uri', uri: text }
  }
  return federation === undefined ? undefined : readFederation(findings, federation)
}

function readFederation(findings: Findings, value: Value): WorkloadProof | undefined {
  const mapping = readMapping(findings, value, ['issuer', 'subject', 'audience'])
  if (mapping === undefined) return undefined
  const issuerValue = required(findings, mapping, 'issuer')
  const subjectValue = required(findings, mapping, 'subject')
  const audienceValue = required(findings, mapping, 'audience')
  const issuer = issuerValue && readSecureUrl(findings, issuerValue)
  const subject = subjectValue && readText(findings, subjectValue, 500)
  const audience = audienceValue && readText(findings, audienceValue, 500)
  if (issuer === undefined || subject === undefined || audience === undefined) return undefined
  return { kind: 'federation', issuer, subject, audience }
}

/** An https URL; http only for this machine. */
function readSecureUrl(findings: Findings, value: Value): string | undefined {
  const text = readText(findings, value, 500)
  if (text === undefined) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isLoopback = url !== undefined && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback)) return text
  findings.fault(value, 'bad_value', 'Expected an https URL (http only on this machine).')
  return undefined
}

function readKeyFile(
  findings: Findings,
  value: Value,
  readFile: FileReader,
): WorkloadProof | undefined {
  const path = readText(findings, value, 500)
  if (path === undefined) return undefined
  const text = readFile(path)
  if (text === undefined) {
    const message = `${path} cannot be read. Put the workload’s public keys (a JWK Set) there, or use jwks_uri. The path starts at the catalog’s own folder.`
    findings.fault(value, 'bad_file', message)
    return undefined
  }
  const keys = keysOf(text)
  if (keys === undefined) {
    findings.fault(
      value,
      'bad_file',
      `${path} is not a JWK Set: {"keys": [{"kty": …}]}, with at least one key.`,
    )
    return undefined
  }
  if (keys.some((key) => key.kty === 'oct' || 'd' in key || 'k' in key)) {
    findings.fault(
      value,
      'bad_file',
      `${path} holds a secret key. Put only public keys there, and replace this one.`,
    )
    return undefined
  }
  return { kind: 'jwks', keys }
}

function keysOf(text: string): readonly Key[] | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(parsed) || !Array.isArray(parsed.keys) || parsed.keys.length === 0) return undefined
  const keys: readonly unknown[] = parsed.keys
  const good = keys.filter((key): key is Key => isRecord(key) && typeof key.kty === 'string')
  return good.length === keys.length ? good : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
