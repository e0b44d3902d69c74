/**
 * The same stories every time, so that a red run is about the change. HALLPASS_MODEL_SEED takes another seed, or
 * `random`; a failure prints its seed and path.
 */
export function modelSeed(): { readonly seed?: number } {
  const given = process.env.HALLPASS_MODEL_SEED
  if (given === 'random') return {}
  return { seed: Number(given ?? 20_260_302) }
}

/** How many times as many stories as usual, for a long look. */
export function modelEffort(): number {
  return Number(process.env.HALLPASS_MODEL_EFFORT ?? 1)
}

/** With HALLPASS_MODEL_SHRINK a failing story over HTTP is made as short as it can be, which takes minutes. */
export function isShrinking(): boolean {
  return process.env.HALLPASS_MODEL_SHRINK !== undefined
}
