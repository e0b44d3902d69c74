/** While a restarted broker must be found again before memory is stale, attempts stay close together. */
const eagerMilliseconds = 6_000
const shortestMilliseconds = 100
const longestMilliseconds = 5_000

/** Waiting time before the next attempt. `random` is from 0 up to 1: half of the wait is jitter. */
export function reconnectDelay(failingForMilliseconds: number, random: number): number {
  const ceiling =
    failingForMilliseconds < eagerMilliseconds
      ? 2 * shortestMilliseconds
      : Math.min(longestMilliseconds, failingForMilliseconds / 4)
  return ceiling / 2 + (ceiling / 2) * random
}

/** The same for what nobody waits for: doubles from `first` to `longest` milliseconds. */
export function retryDelay(
  failureCount: number,
  random: number,
  { first = 500, longest = 30_000 } = {},
): number {
  const ceiling = Math.min(longest, first * 2 ** Math.min(failureCount - 1, 20))
  return ceiling / 2 + (ceiling / 2) * random
}
