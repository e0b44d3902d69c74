import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { clientAddressReader } from '../../src/http/client-address.ts'

function incoming(peer: string, forwardedFor?: string): IncomingMessage {
  return {
    socket: { remoteAddress: peer },
    headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor },
  } as IncomingMessage
}

describe('the client address', () => {
  const read = clientAddressReader(['10.0.0.0/8', 'fd00::/8'])

  it('is the peer without a trusted proxy, whatever the header says', () => {
    expect(read(incoming('203.0.113.9', '198.51.100.1'))).toBe('203.0.113.9')
    expect(clientAddressReader([])(incoming('10.0.0.1', '198.51.100.1'))).toBe('10.0.0.1')
  })

  it('is the last hop that is not a trusted proxy', () => {
    expect(read(incoming('10.0.0.1', '198.51.100.1, 203.0.113.7, 10.2.3.4'))).toBe('203.0.113.7')
  })

  it('is the peer when the header holds anything that is no address', () => {
    expect(read(incoming('10.0.0.1', 'unknown'))).toBe('10.0.0.1')
    expect(read(incoming('10.0.0.1', '198.51.100.1, <script>'))).toBe('10.0.0.1')
  })

  it('reads IPv4 in IPv6 as IPv4, and trusts IPv6 networks', () => {
    expect(read(incoming('::ffff:10.0.0.1', '::ffff:198.51.100.4'))).toBe('198.51.100.4')
    expect(read(incoming('fd00::1', '2001:db8::5'))).toBe('2001:db8::5')
  })

  it('looks at no more than the last twenty hops', () => {
    const hops = ['198.51.100.1', ...Array.from({ length: 30 }, () => '10.0.0.2')].join(', ')
    expect(read(incoming('10.0.0.1', hops))).toBe('10.0.0.1')
  })

  it('says unknown when there is no socket', () => {
    expect(read(undefined)).toBe('unknown')
  })
})
