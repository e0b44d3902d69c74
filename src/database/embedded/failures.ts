/** What the file system or Postgres said, and what a person can do about it. First match wins. */
const remedies: readonly [RegExp, string][] = [
  [/ENOSPC|EDQUOT|No space left|quota exceeded/i, 'The disk is full: make room, then start again.'],
  [
    /EROFS|Read-only file system/i,
    'The file system is read-only: set HALLPASS_DATA_DIR to a folder that can be written.',
  ],
  [
    /could not look up (?:effective|local) user/i,
    'The user has no name on this machine: run Hallpass as a user that is listed in /etc/passwd, or set DATABASE_URL.',
  ],
  [
    /Unix-domain socket|could not create any Unix/i,
    'The socket could not be made: the folder must be on a local file system; or set HALLPASS_DATA_DIR to another folder.',
  ],
  [
    /has (?:wrong ownership|group or world access|invalid permissions)/i,
    'The folder must belong to the user that runs the server, with mode 0700: mend its owner and mode.',
  ],
  [
    /could not (?:map anonymous|create) shared memory|Cannot allocate memory|out of memory/i,
    'The machine has too little free memory: stop something, or set DATABASE_URL to a server elsewhere.',
  ],
  [
    /files are incompatible|valid checkpoint record|checksum|control file|invalid magic number/i,
    'The files are damaged: restore the folder from a backup, or set HALLPASS_DATA_DIR to a new folder.',
  ],
  [
    /unrecognized configuration parameter|configuration file .* contains errors/i,
    'A setting of yours is wrong: mend custom.conf.',
  ],
  [
    /EPERM|Operation not permitted|EINVAL/i,
    'This system does not let Hallpass switch users: run it as a normal user, or set DATABASE_URL.',
  ],
  [
    /EACCES|Permission denied/i,
    'It must be writable by the user that runs Hallpass: mend its owner or mode, or set HALLPASS_DATA_DIR to another folder.',
  ],
  [/ENOTDIR|EEXIST|Not a directory/i, 'A file is in the way: set HALLPASS_DATA_DIR to a folder.'],
]

/** One sentence on what went wrong, one on what to do, for a person at a terminal. */
export function describeFailure(what: string, said: string, logFile?: string): string {
  const remedy = remedies.find(([pattern]) => pattern.test(said))?.[1]
  const where = logFile === undefined ? '' : ` The server's log is ${logFile}.`
  return `${what}: ${essence(said)}. ${remedy ?? 'Mend that, or set DATABASE_URL to a Postgres of your own.'}${where}`
}

/** The line that names the fault, without time stamp and process id. */
function essence(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '')
  const fault =
    lines.find((line) => /\b(?:FATAL|PANIC):/.test(line)) ??
    lines.find((line) => /\berror:/i.test(line)) ??
    lines.at(-1) ??
    'it said nothing'
  return fault.replace(/^.*?\b(?:FATAL|PANIC|error):\s*/i, '').replace(/[.\s]+$/, '')
}
