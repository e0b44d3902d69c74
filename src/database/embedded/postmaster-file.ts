/** What a running server writes into `postmaster.pid` (src/include/utils/pidfile.h of Postgres). */
export interface PostmasterFile {
  readonly processId: number
  readonly socketDirectory: string
  /** `unknown` for the first milliseconds, while the file is not complete */
  readonly status: 'starting' | 'ready' | 'stopping' | 'unknown'
}

/** undefined for a text that no server wrote */
export function parsePostmasterFile(text: string): PostmasterFile | undefined {
  const lines = text.split('\n').map((line) => line.trim())
  const processId = Number(lines[0])
  if (!Number.isSafeInteger(processId) || processId <= 1) return undefined
  const status = lines[7]
  return {
    processId,
    socketDirectory: lines[4] ?? '',
    status:
      status === 'starting' || status === 'ready' || status === 'stopping' ? status : 'unknown',
  }
}
