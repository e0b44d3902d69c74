import { expect } from 'vitest'

/** What arrived, by key: numbers count from 1 in the order in which they were emitted. */
export type Arrivals = ReadonlyArray<{ readonly key: string; readonly number: number }>

/** Every event of every key arrived, and none before all earlier ones of its key had. Repetitions are fine. */
export function expectOrderAndNoLoss(
  arrivals: Arrivals,
  emitted: ReadonlyMap<string, number>,
): void {
  const reached = new Map<string, number>()
  for (const { key, number } of arrivals) {
    const before = reached.get(key) ?? 0
    expect(number, `of ${key}, after ${before}`).toBeLessThanOrEqual(before + 1)
    reached.set(key, Math.max(before, number))
  }
  expect(new Map([...reached].sort())).toEqual(new Map([...emitted].sort()))
}
