import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

interface Waiting {
  resolve(answer: HttpAnswer): void
  reject(error: Error): void
}

/**
 * One keep-alive connection with one call under way at a time. Plain sockets, so that the generator of the load is
 * not what is measured: it costs a fraction of `node:http` or `fetch`.
 */
export class HttpConnection {
  readonly #socket: Socket
  readonly #host: string
  #received = ''
  #waiting: Waiting | undefined

  constructor(socket: Socket, host: string) {
    this.#socket = socket
    this.#host = host
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => this.#take(chunk))
    const fail = () => this.#waiting?.reject(new Error(`${host} closed a connection`))
    socket.on('error', fail)
    socket.on('close', fail)
  }

  static async open(url: string): Promise<HttpConnection> {
    const { hostname, port, host } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port) })
    await once(socket, 'connect')
    return new HttpConnection(socket, host)
  }

  /** The bytes of a POST, to be sent any number of times. */
  prepare(path: string, headers: Readonly<Record<string, string>>, body: string): string {
    const all = { Host: this.#host, 'Content-Length': String(Buffer.byteLength(body)), ...headers }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
    return `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
  }

  send(prepared: string): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) throw new Error(`${this.#host} closed a connection`)
      this.#waiting = { resolve, reject }
      this.#socket.write(prepared)
    })
  }

  async postJson(path: string, token: string, body: object): Promise<HttpAnswer> {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }
    return this.send(this.prepare(path, headers, JSON.stringify(body)))
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: string): void {
    this.#received += chunk
    const answer = answerIn(this.#received)
    if (answer === undefined) return
    this.#received = ''
    this.#waiting?.resolve(answer)
  }
}

/** The answer when all of it is there. Chunked bodies are left in their chunks: nobody here needs them joined. */
function answerIn(text: string): HttpAnswer | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = text.slice(0, end)
  const body = text.slice(end + 4)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  const isWhole = length === undefined ? body.endsWith('0\r\n\r\n') : body.length >= Number(length)
  return isWhole ? { status: Number(head.slice(9, 12)), body } : undefined
}
