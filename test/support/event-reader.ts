/** One Server-Sent Event. */
export interface ServerEvent {
  readonly event: string
  // biome-ignore lint/suspicious/noExplicitAny: data is asserted on, not typed
  readonly data: any
}

/** Reads a stream of Server-Sent Events as a service would. */
export class EventReader {
  readonly events: ServerEvent[] = []
  readonly response: Response
  isEnded = false
  readonly #abort: AbortController
  #arrived: () => void = () => {}

  private constructor(response: Response, abort: AbortController) {
    this.response = response
    this.#abort = abort
    void this.#read()
  }

  static async open(url: string, headers: Record<string, string>): Promise<EventReader> {
    const abort = new AbortController()
    return new EventReader(await fetch(url, { headers, signal: abort.signal }), abort)
  }

  close(): void {
    this.#abort.abort()
  }

  /** The first event that fits, among those that came and those that will. */
  async next(fits: (event: ServerEvent) => boolean, milliseconds = 5_000): Promise<ServerEvent> {
    const deadline = AbortSignal.timeout(milliseconds)
    for (;;) {
      const found = this.events.find(fits)
      if (found !== undefined) return found
      if (deadline.aborted || this.isEnded) {
        throw new Error(
          `no such event among ${JSON.stringify(this.events.map(({ event }) => event))}`,
        )
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50)
        this.#arrived = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async #read(): Promise<void> {
    let text = ''
    try {
      for await (const chunk of this.response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += chunk
        const parts = text.split('\n\n')
        text = parts.pop() ?? ''
        for (const part of parts) this.#take(part)
      }
    } catch {
      // closed by either side
    }
    this.isEnded = true
    this.#arrived()
  }

  #take(part: string): void {
    const field = (name: string) =>
      part
        .split('\n')
        .find((line) => line.startsWith(`${name}: `))
        ?.slice(name.length + 2) ?? ''
    this.events.push({ event: field('event'), data: JSON.parse(field('data')) })
    this.#arrived()
  }
}
