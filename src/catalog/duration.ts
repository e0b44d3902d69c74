const unitSeconds = { d: 86_400, h: 3_600, m: 60, s: 1 } as const
type Unit = keyof typeof unitSeconds

/**
 * Whole seconds of `30s`, `45m`, `8h`, `2d`: one count, one unit. Undefined for anything else, and for more
 * than ten years.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9})([smhd])$/.exec(text)
  if (match === null) return undefined
  const seconds = Number(match[1]) * unitSeconds[match[2] as Unit]
  return seconds <= 3_650 * unitSeconds.d ? seconds : undefined
}

/** The shortest way to write whole seconds as `30s`, `45m`, `8h`, `2d`: the largest unit that divides them. */
export function formatDuration(seconds: number): string {
  for (const [unit, size] of Object.entries(unitSeconds)) {
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`
  }
  return `${seconds}s`
}
