/** Looks up many keys at once; a key without an entry has no value. */
type Load<K, V> = (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>

interface Waiting<K, V> {
  readonly key: K
  resolve(value: V | undefined): void
  reject(error: unknown): void
}

const maxInFlight = 2
const maxKeys = 500

/**
 * Joins look-ups that wait at the same time into one query. Nothing is kept: every query starts after its keys
 * were asked for, so an answer is as fresh as that of a query of one's own.
 */
export function batched<K, V>(load: Load<K, V>): (key: K) => Promise<V | undefined> {
  const queue: Waiting<K, V>[] = []
  let inFlight = 0
  const flush = async (): Promise<void> => {
    if (inFlight >= maxInFlight || queue.length === 0) return
    const batch = queue.splice(0, maxKeys)
    inFlight += 1
    try {
      const found = await load([...new Set(batch.map(({ key }) => key))])
      for (const { key, resolve } of batch) resolve(found.get(key))
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      inFlight -= 1
      void flush()
    }
  }
  return (key) =>
    new Promise((resolve, reject) => {
      queue.push({ key, resolve, reject })
      // what else asks in this turn of the event loop comes along
      if (queue.length === 1) setImmediate(flush)
    })
}
