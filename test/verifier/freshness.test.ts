import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  databaseTimeOf,
  type FeedProof,
  lagSince,
  laterTime,
  memoryStateOf,
  proofOfSnapshot,
  tellableTime,
  withHeartbeat,
} from '../../src/verifier/freshness.ts'

const epoch = 1_800_000_000_000

/** This machine's clocks when the true time is `at` seconds; the monotonic one began at an odd number. */
function clocks(at: number, wallOff = 0) {
  return { monotonic: 777 + at * 1000, wall: epoch + (at + wallOff) * 1000 }
}

const database = (at: number) => epoch + at * 1000

describe('memory', () => {
  it('is lost before the first snapshot', () => {
    expect(memoryStateOf(undefined, clocks(0))).toBe('lost')
  })

  it('is fresh for 5 s, stale until 60 s and lost after, counted from the request', () => {
    const proof = proofOfSnapshot(database(10), clocks(10).monotonic, clocks(10.2))
    expect(memoryStateOf(proof, clocks(15))).toBe('fresh')
    expect(memoryStateOf(proof, clocks(15.001))).toBe('stale')
    expect(memoryStateOf(proof, clocks(70))).toBe('stale')
    expect(memoryStateOf(proof, clocks(70.001))).toBe('lost')
  })

  it('counts a slow answer against itself: the request may have been answered at once', () => {
    const proof = proofOfSnapshot(database(12), clocks(10).monotonic, clocks(12))
    expect(memoryStateOf(proof, clocks(15))).toBe('fresh')
    expect(memoryStateOf(proof, clocks(15.001))).toBe('stale')
    // two seconds of freshness are given away for as long as this stream lasts
    const heard = withHeartbeat(proof, database(13), clocks(13))
    expect(memoryStateOf(heard, clocks(16))).toBe('fresh')
    expect(memoryStateOf(heard, clocks(16.001))).toBe('stale')
  })

  it('lives on by what a heartbeat says, not by when it arrives', () => {
    const first = proofOfSnapshot(database(0), clocks(0).monotonic, clocks(0))
    const proof = withHeartbeat(first, database(1), clocks(4))
    expect(memoryStateOf(proof, clocks(6))).toBe('fresh')
    expect(memoryStateOf(proof, clocks(6.001))).toBe('stale')
    expect(withHeartbeat(proof, database(1), clocks(5))).toBe(proof)
    expect(withHeartbeat(proof, database(0.5), clocks(5))).toBe(proof)
  })

  it('is not kept fresh by a snapshot that is older than its request', () => {
    // the replica's knowledge is of second 7, the request of second 10
    const snapshot = proofOfSnapshot(database(7), clocks(10).monotonic, clocks(10))
    const proof = withHeartbeat(snapshot, database(11), clocks(11))
    expect(memoryStateOf(proof, clocks(16))).toBe('fresh')
    expect(memoryStateOf(proof, clocks(16.001))).toBe('stale')
  })

  it('is not kept fresh by a sleep during which the monotonic clock stood still', () => {
    const proof = proofOfSnapshot(database(0), clocks(0).monotonic, clocks(0))
    const awake = { monotonic: clocks(1).monotonic, wall: clocks(3600).wall }
    expect(memoryStateOf(proof, awake)).toBe('lost')
  })

  it('never counts as fresh for longer than 5 s after the last word, whatever the clocks and delays', () => {
    const delay = fc.integer({ min: 0, max: 3_000 })
    fc.assert(
      fc.property(
        fc.integer({ min: -200_000, max: 200_000 }),
        fc.tuple(delay, delay),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 2_500 }), delay), { maxLength: 12 }),
        fc.integer({ min: 0, max: 20_000 }),
        (offset, [there, back], heartbeats, wait) => {
          const at = (true_: number) => ({ monotonic: true_ + 5_000, wall: epoch + true_ + offset })
          let asked = there
          let now = there + back
          let proof: FeedProof = proofOfSnapshot(epoch + asked, at(0).monotonic, at(now))
          for (const [gap, travel] of heartbeats) {
            asked += gap
            now = Math.max(now, asked + travel)
            proof = withHeartbeat(proof, epoch + asked, at(now))
          }
          const silence = now + wait - asked
          if (silence > 5_000) expect(memoryStateOf(proof, at(now + wait))).not.toBe('fresh')
          if (silence > 60_000) expect(memoryStateOf(proof, at(now + wait))).toBe('lost')
        },
      ),
    )
  })
})

describe('the time by which tokens are judged', () => {
  const proof = proofOfSnapshot(database(100), clocks(100).monotonic, clocks(100))

  it("is the database's when this machine is behind, and its own when it is ahead", () => {
    const behind = { ...proof, receivedAt: clocks(100, -120) }
    expect(laterTime(behind, clocks(101, -120))).toBe(database(101))
    const ahead = { ...proof, receivedAt: clocks(100, 120) }
    expect(laterTime(ahead, clocks(101, 120))).toBe(database(221))
    expect(laterTime(undefined, clocks(7))).toBe(database(7))
    expect(databaseTimeOf(undefined, clocks(7))).toBeUndefined()
  })

  it('runs on when the feed is gone', () => {
    expect(laterTime(proof, clocks(5_000, -1_000))).toBe(database(5_000))
  })

  it('is told to others as they would see it', () => {
    expect(tellableTime(proof, clocks(101, 2))).toBe(database(103))
    expect(tellableTime(proof, clocks(101, 120))).toBe(database(101))
    expect(tellableTime(undefined, clocks(101, 120))).toBe(database(221))
  })
})

describe('the lag of a revocation', () => {
  it('is measured with this machine’s clock when that is right', () => {
    const proof = proofOfSnapshot(database(10), clocks(10).monotonic, clocks(10.05))
    expect(lagSince(database(11), proof, clocks(11.004))).toBeCloseTo(4, 6)
  })

  it('is measured against the quickest heartbeat when that is wrong', () => {
    const snapshot = proofOfSnapshot(database(10), clocks(10).monotonic, clocks(10.05, 120))
    const proof = withHeartbeat(snapshot, database(11), clocks(11.002, 120))
    expect(lagSince(database(12), proof, clocks(12.012, 120))).toBeCloseTo(10, 6)
    expect(lagSince(database(13), proof, clocks(12.012, 120))).toBe(0)
  })
})
