import { Worker } from 'node:worker_threads'
import type { SigningKey } from './token-mint.ts'
import { stopAfterTest } from './verifiers.ts'

// plain JavaScript: a thread is not given what compiles the tests
const source = `
const { createServer } = require('node:http')
const { parentPort, workerData } = require('node:worker_threads')
const streams = new Set()
const iso = (at) => new Date(at).toISOString()
const write = (stream, name, data) => stream.write('event: ' + name + '\\ndata: ' + JSON.stringify(data) + '\\n\\n')
const server = createServer((request, response) => {
  if (request.url === '/oauth/jwks') return response.end(JSON.stringify({ keys: workerData.keys }))
  if (request.url !== '/v1/revocations/stream') return response.writeHead(404).end()
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  write(response, 'snapshot', { revocations: [], as_of: iso(Date.now()), when_cut_off: 'refuse' })
  streams.add(response)
})
setInterval(() => {
  for (const stream of streams) write(stream, 'heartbeat', { at: iso(Date.now()) })
}, 1000)
parentPort.on('message', (milliseconds) => {
  setTimeout(() => {
    const at = Date.now()
    const entry = { id: 'rvk_1', kind: 'grant', target: 'grt_1', at: iso(at), forget_at: iso(at + 3600000) }
    for (const stream of streams) write(stream, 'revoke', entry)
  }, milliseconds)
  parentPort.postMessage('noted')
})
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

/** A broker that goes on while this thread is busy. */
export interface ThreadedBroker {
  readonly url: string
  /** Revokes the grant of every token; resolves when that is on its way. */
  revokeIn(milliseconds: number): Promise<void>
}

export async function startBrokerInThread(key: SigningKey): Promise<ThreadedBroker> {
  const worker = new Worker(source, { eval: true, workerData: { keys: [key.jwk] } })
  stopAfterTest({ stop: async () => void (await worker.terminate()) })
  const message = () => new Promise<unknown>((resolve) => worker.once('message', resolve))
  const port = await message()
  return {
    url: `http://127.0.0.1:${port}`,
    revokeIn: async (milliseconds) => {
      worker.postMessage(milliseconds)
      await message()
    },
  }
}
