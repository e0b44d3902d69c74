import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'

const broker = useTestBroker()

/** Chunks, without a length, until the broker has enough. */
function postChunks(path: string, type: string, chunks: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': type, 'Transfer-Encoding': 'chunked' }
    const call = request(broker.url + path, { method: 'POST', headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    call.on('error', reject)
    for (const chunk of chunks) call.write(chunk)
    call.end()
  })
}

describe('a body in chunks, which announces no length', () => {
  const form = 'application/x-www-form-urlencoded'

  it('is read', async () => {
    const path = '/dev/sign-in'
    const chunks = ['{"subject":', '"alice@', 'example.com"}']
    expect(await postChunks(path, 'application/json', chunks)).toBe(200)
  })

  it('is counted, and refused when it is too large', async () => {
    const chunks = Array.from({ length: 70 }, () => 'x'.repeat(1024))
    expect(await postChunks('/oauth/token', form, ['grant_type=', ...chunks])).toBe(413)
    expect(await postChunks('/dev/sign-in', 'application/json', chunks)).toBe(413)
  })
})
