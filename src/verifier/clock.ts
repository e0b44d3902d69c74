/** The only place in the verifier that asks for time and chance. */
export interface Clock {
  /** Milliseconds since the epoch by this machine's clock, which may be wrong and may step. */
  wall(): number
  /** Milliseconds that never step back; only differences mean anything. */
  monotonic(): number
  /** From 0 up to, not including, 1; for jitter, never for secrets. */
  random(): number
}

export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  random: () => Math.random(),
}
