/** The middle value; for an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** Linear interpolation between the nearest values. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = fraction * (sorted.length - 1)
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? below
  return below + (above - below) * (place - Math.floor(place))
}

/** What one closed loop of callers saw. */
export interface Round {
  readonly perSecond: number
  readonly p50Milliseconds: number
  readonly p99Milliseconds: number
}

/** Repeats `act` in each of `lanes` for so long; a lane starts the next when the one before is done. */
export async function closedLoop(
  lanes: ReadonlyArray<() => Promise<void>>,
  seconds: number,
): Promise<Round> {
  const took: number[] = []
  const start = performance.now()
  const deadline = start + seconds * 1000
  await Promise.all(
    lanes.map(async (act) => {
      for (let now = performance.now(); now < deadline; ) {
        await act()
        const end = performance.now()
        took.push(end - now)
        now = end
      }
    }),
  )
  return {
    perSecond: (took.length * 1000) / (performance.now() - start),
    p50Milliseconds: percentile(took, 0.5),
    p99Milliseconds: percentile(took, 0.99),
  }
}

/** The median of each number over several rounds. */
export function medianRound(rounds: readonly Round[]): Round {
  return {
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    p50Milliseconds: median(rounds.map(({ p50Milliseconds }) => p50Milliseconds)),
    p99Milliseconds: median(rounds.map(({ p99Milliseconds }) => p99Milliseconds)),
  }
}

/** Measures several contenders in turns, so that whatever else the machine does hits all of them. */
export async function inTurns(
  contenders: ReadonlyArray<ReadonlyArray<() => Promise<void>>>,
  options: {
    readonly roundCount: number
    readonly secondsPerRound: number
    /** Lets what one contender started come to rest before the next is measured. */
    readonly settle: () => Promise<unknown>
  },
): Promise<readonly (readonly Round[])[]> {
  const rounds: Round[][] = contenders.map(() => [])
  // the first turn warms up and is thrown away
  for (let turn = 0; turn <= options.roundCount; turn += 1) {
    for (const [index, lanes] of contenders.entries()) {
      const round = await closedLoop(lanes, turn === 0 ? 1 : options.secondsPerRound)
      if (turn > 0) rounds[index]?.push(round)
      await options.settle()
    }
  }
  return rounds
}

/** The median over the turns of how `number` of one contender compares with another's in the same turn. */
export function ratioOf(
  rounds: readonly Round[] | undefined,
  to: readonly Round[] | undefined,
  number: keyof Round,
): number {
  const pairs = (rounds ?? []).flatMap((round, turn) => {
    const other = to?.[turn]
    return other === undefined ? [] : [round[number] / other[number]]
  })
  return median(pairs)
}
