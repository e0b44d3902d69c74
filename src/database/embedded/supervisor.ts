import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import type { Hold } from './holders.ts'
import { asUser, plainEnvironment } from './run.ts'
import type { ServerUser } from './server-user.ts'

/**
 * Starts the server and ends it when nobody holds it any more. It is a shell because it must outlive the
 * broker, also one that was killed with SIGKILL, and cost next to nothing. File descriptor 3 reads the pipe
 * of the holders. It has a session of its own, so a signal to the broker's group or terminal passes it by.
 */
const superviseScript = `
trap '' HUP INT TERM PIPE
"$@" </dev/null 1>&2 3<&- &
server=$!
echo "$server"
exec 1>&2
(
  while read -r _ <&3; do :; done
  kill -INT "$server" || exit 0
  seconds=0
  while [ "$seconds" -lt 60 ]; do
    sleep 1 3<&-
    kill -0 "$server" || exit 0
    seconds=$((seconds + 1))
  done
  kill -QUIT "$server"
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"
`

/** The same end for a server whose supervisor is gone: $1 its process id, $2 its postmaster.pid. */
const adoptScript = `
trap '' HUP INT TERM PIPE
while read -r _ <&3; do :; done
read -r running <"$2" && [ "$running" = "$1" ] && kill -INT "$1"
`

export interface SupervisedProcess {
  readonly processId: Promise<number | undefined>
  readonly ended: Promise<void>
}

/** Starts the server under a supervisor. What it says goes to `logDescriptor`. */
export function supervise(
  hold: Hold,
  command: readonly string[],
  options: { user: ServerUser | null; logDescriptor: number },
): SupervisedProcess {
  const reader = hold.readingEnd()
  try {
    const child = spawn('/bin/sh', ['-c', superviseScript, 'hallpass-postgres', ...command], {
      ...asUser(options.user),
      env: plainEnvironment,
      detached: true,
      stdio: ['ignore', 'pipe', options.logDescriptor, reader],
    })
    child.unref()
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      child.once('error', () => resolve())
    })
    const processId = new Promise<number | undefined>((resolve) => {
      child.stdout?.once('data', (chunk: Buffer) => resolve(Number(chunk.toString().trim())))
      child.once('error', () => resolve(undefined))
      child.stdout?.once('close', () => resolve(undefined))
    })
    return { processId, ended }
  } finally {
    closeSync(reader)
  }
}

/** Gives a running server that nobody watches a supervisor again. */
export function adopt(
  hold: Hold,
  processId: number,
  options: { user: ServerUser | null; postmasterFile: string },
): void {
  const reader = hold.readingEnd()
  try {
    const child = spawn(
      '/bin/sh',
      ['-c', adoptScript, 'hallpass-postgres', String(processId), options.postmasterFile],
      {
        ...asUser(options.user),
        env: plainEnvironment,
        detached: true,
        stdio: ['ignore', 'ignore', 'ignore', reader],
      },
    )
    child.on('error', () => undefined) // the next look finds it unsupervised again
    child.unref()
  } finally {
    closeSync(reader)
  }
}
