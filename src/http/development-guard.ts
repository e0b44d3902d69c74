import type { Context } from 'hono'
import { isLoopbackHost } from '../config.ts'
import { HallpassError } from '../errors.ts'

/**
 * Keeps development sign-in on this machine (CONTRACTS §8): throws `not_permitted` when the call was addressed
 * to a name that is not loopback (a web page that rebinds its own name), sent by a page from elsewhere, or
 * passed on by a proxy.
 */
export function requireLocalCaller(c: Context): void {
  const host = c.req.header('host') ?? ''
  if (!isLoopbackAuthority(host)) {
    refuse('Call the broker by a loopback name, such as localhost.')
  }
  const origin = c.req.header('origin')
  if (origin !== undefined && origin !== `http://${host}`) {
    refuse('A page from elsewhere may not use it.')
  }
  const headers = Object.keys(c.req.header())
  if (headers.some((name) => /^(forwarded|via|x-forwarded-.*)$/i.test(name))) {
    refuse('It is not offered through a proxy.')
  }
}

function isLoopbackAuthority(host: string): boolean {
  const name = /^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/i.exec(host)?.[1]
  return name !== undefined && isLoopbackHost(name)
}

function refuse(why: string): never {
  throw new HallpassError('not_permitted', `Development sign-in is for this machine alone. ${why}`)
}
