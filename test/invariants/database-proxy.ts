import type { AddressInfo } from 'node:net'
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net'

/** How the way to the database is: whole, cut with a reset, or silent, where nothing comes through and nothing ends. */
export type Way = 'open' | 'cut' | 'silent'

/** A way to Postgres that a test can cut. */
export interface DatabaseProxy {
  /** The same role and database, by this way. */
  through(url: string): string
  set(way: Way): void
  close(): Promise<void>
}

export async function startDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const target = targetOf(new URL(databaseUrl))
  const pairs = new Set<readonly [Socket, Socket]>()
  let way: Way = 'open'
  const server = createServer((near) => {
    near.on('error', () => {})
    if (way === 'cut') return near.resetAndDestroy()
    const far = connect(target)
    far.on('error', () => near.destroy())
    const pair = [near, far] as const
    pairs.add(pair)
    near.on('close', () => {
      pairs.delete(pair)
      far.destroy()
    })
    far.on('close', () => near.destroy())
    near.on('data', (chunk) => way === 'silent' || far.write(chunk))
    far.on('data', (chunk) => way === 'silent' || near.write(chunk))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    through: (url) => {
      const changed = new URL(url)
      changed.searchParams.delete('host')
      changed.host = `127.0.0.1:${port}`
      return changed.href
    },
    set: (next) => {
      // what was swallowed is lost: such a connection is of no use any more
      const isLost = way === 'silent' || next === 'cut'
      way = next
      if (isLost) for (const [near] of pairs) near.resetAndDestroy()
    },
    close: () =>
      new Promise((resolve) => {
        for (const [near] of pairs) near.destroy()
        server.close(() => resolve())
      }),
  }
}

function targetOf(url: URL): NetConnectOpts {
  const folder = url.searchParams.get('host')
  const port = Number(url.port || 5432)
  return folder?.startsWith('/')
    ? { path: `${folder}/.s.PGSQL.${port}` }
    : { host: folder ?? url.hostname, port }
}
