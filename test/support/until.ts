import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until `isTrue`; fails with what was awaited. */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  seconds = 10,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`did not happen in ${seconds} s: ${what}`)
    await sleep(10)
  }
}
