import { CommandEnd, exitStatus } from './io.ts'

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** `45m` → 2700. Ends the command with a usage error for anything else. */
export function secondsOf(text: string): number {
  const match = /^([1-9][0-9]{0,6})([smhd])$/.exec(text)
  const seconds = Number(match?.[1]) * (unitSeconds[match?.[2] ?? ''] ?? Number.NaN)
  if (Number.isSafeInteger(seconds)) return seconds
  throw new CommandEnd(exitStatus.usage, `"${text}" is no duration; write 30s, 45m, 8h or 2d`)
}

/** 5400 → `1h 30m` */
export function durationOf(seconds: number): string {
  const parts: string[] = []
  let rest = Math.max(0, Math.round(seconds))
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / size)
    if (count > 0) parts.push(`${count}${unit}`)
    rest -= count * size
  }
  return parts.slice(0, 2).join(' ') || '0s'
}
