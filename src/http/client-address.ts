import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Networks in CIDR notation, checked when configuration was parsed. */
function networksOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  return list
}

function isWithin(list: BlockList, address: string): boolean {
  const family = isIP(address)
  return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

function plain(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

/**
 * Makes the function that says where a call came from: the socket's peer, or, when that is a trusted proxy,
 * the last hop of X-Forwarded-For that is not one.
 */
export function clientAddressReader(
  trustedProxies: readonly string[],
): (incoming: IncomingMessage | undefined) => string {
  const trusted = networksOf(trustedProxies)
  return (incoming) => {
    const peer = plain(incoming?.socket.remoteAddress ?? 'unknown')
    const header = incoming?.headers['x-forwarded-for']
    if (header === undefined || !isWithin(trusted, peer)) return peer
    const hops = String(header).split(',').slice(-20)
    for (const hop of hops.reverse()) {
      const address = plain(hop.trim())
      if (isIP(address) === 0) return peer
      if (!isWithin(trusted, address)) return address
    }
    return peer
  }
}
