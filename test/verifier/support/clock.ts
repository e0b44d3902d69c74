import { vi } from 'vitest'
import { systemClock } from '../../../src/verifier/clock.ts'

const real = { ...systemClock }

/** Sets this machine's clock off by so many milliseconds, until the test is over (`vi.restoreAllMocks`). */
export function setWallClockOff(milliseconds: number): void {
  vi.spyOn(systemClock, 'wall').mockImplementation(() => real.wall() + milliseconds)
}

/** Lets so many milliseconds pass at once, on both clocks. */
export function letPass(milliseconds: number): void {
  vi.spyOn(systemClock, 'wall').mockImplementation(() => real.wall() + milliseconds)
  vi.spyOn(systemClock, 'monotonic').mockImplementation(() => real.monotonic() + milliseconds)
}

/** Does nothing else for so long, as a service that computes. */
export function blockEventLoop(milliseconds: number): void {
  const until = performance.now() + milliseconds
  while (performance.now() < until);
}
