/**
 * Resolves when the event loop has read what waited in the sockets. After a pause timers run first; what they would
 * conclude from silence may be contradicted by data that has been here for seconds.
 */
export function socketTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
}
