import type { MemoryState } from './freshness.ts'

/** What a verifier tells of itself, by name. */
export interface VerifierEvents {
  /** What it knows of revocations became fresh, stale (5 s without news) or lost (60 s). */
  readonly memory: { readonly from: MemoryState; readonly to: MemoryState }
  /** A revocation arrived; the lag is counted from when the broker wrote it. */
  readonly revocation: {
    readonly kind: 'grant' | 'token' | 'subject' | 'resource'
    readonly target: string
    readonly lagMilliseconds: number
  }
  readonly keys: { readonly added: readonly string[]; readonly dropped: readonly string[] }
  /** Activity that the broker will never hear of, since the last time this was told. */
  readonly activity_lost: { readonly count: number }
  /** Something does not work; it is tried again. `message` holds no secret. */
  readonly trouble: {
    readonly with: 'feed' | 'keys' | 'introspection' | 'activity'
    readonly isCredentialRefused: boolean
    readonly message: string
  }
}

type Listener<Event> = (event: Event) => void

/** Tells listeners. One that throws disturbs nobody. */
export class Emitter {
  readonly #listeners = new Map<keyof VerifierEvents, Set<Listener<never>>>()

  on<Name extends keyof VerifierEvents>(
    name: Name,
    listener: Listener<VerifierEvents[Name]>,
  ): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    const entry: Listener<VerifierEvents[Name]> = (event) => listener(event)
    listeners.add(entry)
    return () => {
      listeners.delete(entry)
    }
  }

  emit<Name extends keyof VerifierEvents>(name: Name, event: VerifierEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        const call: Listener<never> = listener
        call(event as never)
      } catch {
        // a listener's fault must not become a verdict
      }
    }
  }
}
