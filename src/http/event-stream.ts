import type { Json } from './render.ts'

/** A reader that lets so much pile up is gone, or as good as gone. */
const maxWaitingBytes = 1024 * 1024

/** Server-Sent Events (WHATWG HTML §9.2) to one reader, with a bound on what waits for it. */
export class EventStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly #encoder = new TextEncoder()
  readonly #closed: Array<() => void> = []
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined

  /** Closes by itself when `stopping` aborts. */
  constructor(stopping: AbortSignal) {
    const close = () => this.close()
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        cancel: () => this.#forget(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: maxWaitingBytes }),
    )
    stopping.addEventListener('abort', close)
    this.onClosed(() => stopping.removeEventListener('abort', close))
    if (stopping.aborted) this.close()
  }

  send(event: string, data: Json): void {
    const controller = this.#controller
    if (controller === undefined) return
    controller.enqueue(this.#encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`))
    if ((controller.desiredSize ?? 0) <= 0) this.close()
  }

  /** Ends the stream; safe to call again. */
  close(): void {
    this.#controller?.close()
    this.#forget()
  }

  /** Runs once, when the stream ended for whatever reason; at once when it has ended already. */
  onClosed(effect: () => void): void {
    if (this.#controller === undefined && this.#closed.length === 0) effect()
    else this.#closed.push(effect)
  }

  #forget(): void {
    if (this.#controller === undefined) return
    this.#controller = undefined
    for (const effect of this.#closed.splice(0)) effect()
  }
}
