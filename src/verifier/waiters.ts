/** Those who wait for one thing to happen. */
export class Waiters {
  readonly #waiting = new Set<() => void>()

  /** Calls back once, when it happens; returns how to be forgotten before. */
  add(listener: () => void): () => void {
    const entry = () => listener()
    this.#waiting.add(entry)
    return () => this.#waiting.delete(entry)
  }

  /** Resolves when it happens, or when the time is over. */
  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        forget()
        resolve()
      }, milliseconds)
      const forget = this.add(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  wakeAll(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}
