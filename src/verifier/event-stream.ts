/** One dispatched event of a stream (WHATWG HTML §9.2.6). */
export interface StreamEvent {
  readonly name: string
  readonly data: string
}

/** A stream that sends an event larger than this is not ours. */
const largestEventCharacters = 64 * 1024 * 1024

/** Takes a stream of Server-Sent Events apart, however its text is cut. Throws `RangeError` for an endless event. */
export class EventStreamParser {
  #line = ''
  #name = ''
  #data: string[] = []
  #size = 0
  #isAfterCarriageReturn = false
  #isAtStart = true

  /** The events that the text completes, in order. */
  push(text: string): readonly StreamEvent[] {
    const events: StreamEvent[] = []
    let rest = text
    if (this.#isAtStart && rest !== '') {
      this.#isAtStart = false
      if (rest.startsWith('\uFEFF')) rest = rest.slice(1)
    }
    if (this.#isAfterCarriageReturn && rest.startsWith('\n')) rest = rest.slice(1)
    if (text !== '') this.#isAfterCarriageReturn = text.endsWith('\r')
    const lines = rest.split(/\r\n|\r|\n/)
    const unfinished = lines.pop() ?? ''
    for (const end of lines) {
      const event = this.#take(this.#line + end)
      this.#line = ''
      if (event !== undefined) events.push(event)
    }
    this.#line += unfinished
    if (this.#line.length + this.#size > largestEventCharacters) {
      throw new RangeError('The stream sent an event without an end.')
    }
    return events
  }

  #take(line: string): StreamEvent | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.#name = value
    if (field === 'data') {
      this.#data.push(value)
      this.#size += value.length
    }
    return undefined
  }

  #dispatch(): StreamEvent | undefined {
    const event = { name: this.#name || 'message', data: this.#data.join('\n') }
    const isEmpty = this.#data.length === 0
    this.#name = ''
    this.#data = []
    this.#size = 0
    return isEmpty ? undefined : event
  }
}
