import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { listen } from '../../src/http/index.ts'
import { newRouter } from '../../src/http/routing.ts'

interface Answered {
  readonly status: number | undefined
  readonly connection: string | undefined
}

function answerOf(port: number, path: string, agent: Agent): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent }, (response) => {
      response.resume()
      response.on('end', () =>
        resolve({ status: response.statusCode, connection: response.headers.connection }),
      )
    })
    request.on('error', reject)
  })
}

/** A server whose `/slow` answers when it is told to. */
async function slowServer() {
  let answer = (): void => {}
  const mayAnswer = new Promise<void>((resolve) => {
    answer = resolve
  })
  let arrived = (): void => {}
  const hasArrived = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const app = newRouter()
  app.get('/fast', (c) => c.text('ok'))
  app.get('/slow', async (c) => {
    arrived()
    await mayAnswer
    return c.text('ok')
  })
  return { server: await listen(app, '127.0.0.1', 0), answer, hasArrived }
}

describe('a server that stops', () => {
  it('answers the call under way, tells the caller to go, and does not wait for the grace', async () => {
    const { server, answer, hasArrived } = await slowServer()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    expect(await answerOf(server.port, '/fast', agent)).toEqual({
      status: 200,
      connection: 'keep-alive',
    })
    const slow = answerOf(server.port, '/slow', agent)
    await hasArrived
    const stopped = server.stop(30_000)
    answer()
    expect(await slow).toEqual({ status: 200, connection: 'close' })
    await stopped
    await expect(answerOf(server.port, '/fast', agent)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
  })

  it('closes a connection whose call ended after its headers were sent', async () => {
    let finish = (): void => {}
    const app = newRouter()
    app.get('/stream', (c) => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          controller.enqueue(new TextEncoder().encode('first'))
          finish = () => controller.close()
        },
      })
      return c.body(body)
    })
    const server = await listen(app, '127.0.0.1', 0)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const response = await new Promise<IncomingMessage>((resolve) => {
      get({ host: '127.0.0.1', port: server.port, path: '/stream', agent }, resolve)
    })
    await once(response, 'data')
    const stopped = server.stop(30_000)
    finish()
    await once(response.resume(), 'end')
    await stopped
  })

  it('cuts a call off that outlasts the grace', async () => {
    const { server, hasArrived } = await slowServer()
    const slow = answerOf(server.port, '/slow', new Agent({ keepAlive: true }))
    const cut = expect(slow).rejects.toMatchObject({ code: 'ECONNRESET' })
    await hasArrived
    await server.stop(50)
    await cut
  })
})
