import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
} from 'jose'
import type { Workload } from '../catalog/index.ts'
import { isTransactionOpen } from '../database/index.ts'
import { isLoopbackUrl } from './loopback.ts'

type WorkloadProof = NonNullable<Workload['proof']>

const timeoutMilliseconds = 3_000
const maxDocumentBytes = 256 * 1024

/** The keys of a workload cannot be had now. */
export class KeysUnavailable extends Error {
  constructor(cause?: unknown) {
    super('the keys cannot be fetched', { cause })
    this.name = 'KeysUnavailable'
  }
}

// one set for each proof of a compiled catalog: forgotten with it
const keySets = new WeakMap<WorkloadProof, Promise<JWTVerifyGetKey>>()

/**
 * The keys that a workload signs with: in the catalog itself, behind its `jwks_uri`, or behind the issuer of a
 * federation. Fetched when needed, cached, bounded in time and size.
 */
export async function workloadKeys(proof: WorkloadProof): Promise<JWTVerifyGetKey> {
  const known = keySets.get(proof)
  if (known !== undefined) return known
  const opening = openKeySet(proof)
  keySets.set(proof, opening)
  // a failed discovery is tried again by the next caller
  opening.catch(() => keySets.delete(proof))
  return opening
}

async function openKeySet(proof: WorkloadProof): Promise<JWTVerifyGetKey> {
  if (proof.kind === 'jwks') return createLocalJWKSet({ keys: [...proof.keys] } as JSONWebKeySet)
  const uri = proof.kind === 'jwks_uri' ? proof.uri : await discoverKeysOf(proof.issuer)
  return createRemoteJWKSet(safeUrl(uri), {
    timeoutDuration: timeoutMilliseconds,
    cooldownDuration: 30_000,
    cacheMaxAge: 5 * 60_000,
    [customFetch]: (url, init) => fetchBounded(new URL(url), init.signal),
  })
}

/** OpenID Connect Discovery 1.0 §4: the document must name the very issuer it was asked for. */
async function discoverKeysOf(issuer: string): Promise<string> {
  const location = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const response = await fetchBounded(safeUrl(location), AbortSignal.timeout(timeoutMilliseconds))
  const document: unknown = await response.json().catch(() => undefined)
  if (typeof document !== 'object' || document === null) throw new KeysUnavailable()
  if (!('issuer' in document) || document.issuer !== issuer) throw new KeysUnavailable()
  if (!('jwks_uri' in document) || typeof document.jwks_uri !== 'string') {
    throw new KeysUnavailable()
  }
  // a company's provider has no business with what listens on this machine
  if (!isLoopbackUrl(safeUrl(issuer)) && isLoopbackUrl(safeUrl(document.jwks_uri))) {
    throw new KeysUnavailable()
  }
  return document.jwks_uri
}

function safeUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'https:' || (url !== undefined && isLoopbackUrl(url))) return url
  throw new KeysUnavailable()
}

/** Follows no redirect, reads no more than it should, and never waits inside a transaction. */
async function fetchBounded(url: URL, signal: AbortSignal): Promise<Response> {
  if (isTransactionOpen()) throw new Error('no network call inside a transaction')
  try {
    const response = await fetch(url, {
      signal,
      redirect: 'error',
      headers: { accept: 'application/json' },
    })
    if (response.status !== 200 || response.body === null) throw new KeysUnavailable()
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of response.body) {
      size += chunk.byteLength
      if (size > maxDocumentBytes) throw new KeysUnavailable()
      chunks.push(chunk)
    }
    return new Response(Buffer.concat(chunks), { status: 200 })
  } catch (error) {
    throw error instanceof KeysUnavailable ? error : new KeysUnavailable(error)
  }
}
