import type { Server, ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { serve } from '@hono/node-server'
import type { Router } from './routing.ts'

/** The listening server. */
export interface RunningServer {
  readonly port: number
  /** Stops listening, lets calls under way finish for at most `graceMilliseconds`, then cuts them off. */
  stop(graceMilliseconds: number): Promise<void>
}

/** Listens; rejects with a message that says what to do when the port cannot be had. */
export function listen(app: Router, host: string, port: number): Promise<RunningServer> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: host, port }, (at) =>
      resolve({ port: at.port, stop: (grace) => stopServer(server, underWay, grace) }),
    ) as Server
    const underWay = answersUnderWay(server)
    server.headersTimeout = 15_000
    server.requestTimeout = 30_000
    server.keepAliveTimeout = 65_000
    server.maxRequestsPerSocket = 0
    server.on('error', (error: NodeJS.ErrnoException) => reject(explain(error, host, port)))
  })
}

/**
 * Whether the port can be had, before anything is started for it; 0 gives a free one. Rejects as `listen` does.
 */
export function tryPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', (error: NodeJS.ErrnoException) => reject(explain(error, host, port)))
    probe.listen({ host, port, exclusive: true }, () => {
      const address = probe.address()
      const found = typeof address === 'object' && address !== null ? address.port : port
      probe.close(() => resolve(found))
    })
  })
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') {
    return new Error(
      `PORT: ${port} on ${host} is in use. Stop what listens there, or start with another port, for instance PORT=${port + 1}.`,
    )
  }
  if (error.code === 'EACCES') {
    return new Error(`PORT: this user may not listen on port ${port}. Choose one above 1023.`)
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new Error(`HALLPASS_HOST: ${host} is no address of this machine.`)
  }
  return error
}

function answersUnderWay(server: Server): ReadonlySet<ServerResponse> {
  const underWay = new Set<ServerResponse>()
  server.prependListener('request', (_request, response) => {
    underWay.add(response)
    // a connection that stays open would take calls until the grace is over, and then lose one
    if (!server.listening) response.shouldKeepAlive = false
    response.once('close', () => {
      underWay.delete(response)
      if (!server.listening) server.closeIdleConnections()
    })
  })
  return underWay
}

function stopServer(
  server: Server,
  underWay: ReadonlySet<ServerResponse>,
  graceMilliseconds: number,
): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMilliseconds)
    server.close(() => {
      clearTimeout(cut)
      resolve()
    })
    for (const response of underWay) response.shouldKeepAlive = false
    server.closeIdleConnections()
  })
}
