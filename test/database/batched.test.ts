import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { batched } from '../../src/database/index.ts'

describe('look-ups that wait at the same time', () => {
  function recorded(delayMilliseconds = 5) {
    const queries: (readonly string[])[] = []
    const lookUp = batched(async (keys: readonly string[]) => {
      queries.push(keys)
      await sleep(delayMilliseconds)
      return new Map(keys.filter((key) => key !== 'unknown').map((key) => [key, key.toUpperCase()]))
    })
    return { queries, lookUp }
  }

  it('share one query, each key once, and each gets its own answer', async () => {
    const { queries, lookUp } = recorded()
    const answers = await Promise.all(['a', 'b', 'a', 'unknown'].map(lookUp))
    expect(answers).toEqual(['A', 'B', 'A', undefined])
    expect(queries).toEqual([['a', 'b', 'unknown']])
  })

  it('never get an answer of a query that began before they asked', async () => {
    const { queries, lookUp } = recorded(20)
    const first = lookUp('a')
    await sleep(10)
    await Promise.all([first, lookUp('a')])
    expect(queries).toEqual([['a'], ['a']])
  })

  it('keep nothing: the same key is looked up again', async () => {
    const { queries, lookUp } = recorded(1)
    await lookUp('a')
    await lookUp('a')
    expect(queries).toHaveLength(2)
  })

  it('run at most two queries at once, and lose nobody who waits', async () => {
    let running = 0
    let most = 0
    const lookUp = batched(async (keys: readonly number[]) => {
      running += 1
      most = Math.max(most, running)
      await sleep(3)
      running -= 1
      return new Map(keys.map((key) => [key, key]))
    })
    const asked: Promise<number | undefined>[] = []
    for (let key = 0; key < 200; key += 1) {
      asked.push(lookUp(key))
      if (key % 10 === 0) await sleep(1)
    }
    expect(await Promise.all(asked)).toEqual([...Array(200).keys()])
    expect(most).toBe(2)
  })

  it('all fail with the query that they share, and later ones do not', async () => {
    let isBroken = true
    const lookUp = batched(async (keys: readonly string[]) => {
      if (isBroken) throw new Error('the database is away')
      return new Map(keys.map((key) => [key, key]))
    })
    const failed = await Promise.allSettled([lookUp('a'), lookUp('b')])
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    isBroken = false
    expect(await lookUp('a')).toBe('a')
  })
})
