import {
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  rmSync,
} from 'node:fs'
import { describeFailure } from './failures.ts'
import type { Home } from './home.ts'
import { run } from './run.ts'

const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK, O_NOFOLLOW } = constants

/**
 * Says who still needs the server, by a named pipe: every broker keeps it open for writing, the supervisor
 * reads it and sees its end when the last of them is gone, however it went. The kernel keeps the count.
 */
export interface Hold {
  /** For a supervisor: an end for reading that blocks. The caller closes it. */
  readingEnd(): number
  /** Lets go. Says whether nobody else holds the server now. Once only. */
  release(): boolean
}

export async function takeHold(home: Home): Promise<Hold> {
  await makePipe(home)
  const descriptor = openPipe(home, O_RDWR | O_NONBLOCK) // without a reader, opening only to write would fail
  let writer: number
  try {
    writer = openPipe(home, O_WRONLY | O_NONBLOCK)
  } finally {
    closeSync(descriptor)
  }
  return {
    readingEnd: () => openPipe(home, O_RDONLY), // returns at once: a writer, ours, is there
    release: () => {
      closeSync(writer)
      return !hasWriter(home)
    },
  }
}

/** Whether a supervisor waits for the last holder to go. */
export function isSupervised(home: Home): boolean {
  try {
    closeSync(openPipe(home, O_WRONLY | O_NONBLOCK))
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENXIO') return false
    throw error
  }
}

function hasWriter(home: Home): boolean {
  const reader = openPipe(home, O_RDONLY | O_NONBLOCK)
  try {
    return readSync(reader, Buffer.alloc(1)) > 0
  } catch {
    return true // EAGAIN: nothing to read yet, and somebody who could write
  } finally {
    closeSync(reader)
  }
}

function openPipe(home: Home, flags: number): number {
  const descriptor = openSync(home.holders, flags | O_NOFOLLOW)
  if (fstatSync(descriptor).isFIFO()) return descriptor
  closeSync(descriptor)
  throw new Error(`${home.holders} is not a named pipe. Delete it and start again.`)
}

async function makePipe(home: Home): Promise<void> {
  const found = lstatSync(home.holders, { throwIfNoEntry: false })
  if (found?.isFIFO()) return
  if (found !== undefined) rmSync(home.holders) // what a backup made of it
  const made = await run('mkfifo', ['-m', '600', home.holders])
  if (!lstatSync(home.holders, { throwIfNoEntry: false })?.isFIFO()) {
    throw new Error(describeFailure(`Cannot make the named pipe ${home.holders}`, made.output))
  }
  if (home.owner !== null) chownSync(home.holders, home.owner.uid, home.owner.gid)
}
