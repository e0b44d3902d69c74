import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventStreamParser } from '../../src/verifier/event-stream.ts'

function parse(...texts: readonly string[]) {
  const parser = new EventStreamParser()
  return texts.flatMap((text) => parser.push(text))
}

describe('a stream of events', () => {
  it('is taken apart at empty lines', () => {
    expect(parse('event: a\ndata: 1\n\nevent: b\ndata: 2\n\n')).toEqual([
      { name: 'a', data: '1' },
      { name: 'b', data: '2' },
    ])
  })

  it('is read as the standard says: comments, joined data, one space, unknown fields', () => {
    expect(parse(': hello\n\nid: 1\nretry: 5\ndata:x\ndata:  y\ndata\n\n')).toEqual([
      { name: 'message', data: 'x\n y\n' },
    ])
  })

  it('drops an event without data, its name included, and one without an end', () => {
    expect(parse('event: a\n\ndata: 1\n\nevent: b\ndata: 2\n')).toEqual([
      { name: 'message', data: '1' },
    ])
  })

  it('ends lines with LF, CR or both, and begins with a byte order mark', () => {
    expect(parse('\uFEFFevent: a\r\ndata: 1\r\n\r\n', 'data: 2\r\rdata: 3\n\n')).toEqual([
      { name: 'a', data: '1' },
      { name: 'message', data: '2' },
      { name: 'message', data: '3' },
    ])
  })

  it('means the same however it is cut', () => {
    const text =
      'event: a\r\ndata: {"x": 1}\r\n\r\n: c\n\nevent: b\ndata: 2\ndata: 3\n\ndata: 4\r\r'
    const whole = parse(text)
    expect(whole).toHaveLength(3)
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 20 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length]
        const parts = at.slice(1).map((end, index) => text.slice(at[index], end))
        expect(parse(...parts)).toEqual(whole)
      }),
    )
  })

  it('takes ten thousand revocations in one event in well under a second', () => {
    const one = JSON.stringify({
      id: 'rvk_',
      kind: 'grant',
      target: 'grt_01J',
      at: '',
      forget_at: '',
    })
    const data = `[${Array.from({ length: 10_000 }, () => one).join(',')}]`
    const text = `event: snapshot\ndata: ${data}\n\n`
    const parts = Array.from({ length: Math.ceil(text.length / 1_000) }, (_, index) =>
      text.slice(index * 1_000, (index + 1) * 1_000),
    )
    const startedAt = performance.now()
    expect(parse(...parts)).toEqual([{ name: 'snapshot', data }])
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })

  it('is given up when an event has no end', () => {
    const parser = new EventStreamParser()
    const line = `data: ${'x'.repeat(8 * 1024 * 1024)}\n`
    expect(() => {
      for (let count = 0; count < 10; count += 1) parser.push(line)
    }).toThrow(RangeError)
  })
})
