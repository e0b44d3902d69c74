/** The roles and the database that every embedded server has. */
export const roleNames = { owner: 'hallpass_owner', application: 'hallpass_app' } as const
export const databaseName = 'hallpass'
/** Only names the socket file: nothing listens on TCP. */
export const port = 5432

/** The longest path that fits into a Unix socket's address, the 0 byte excluded. */
export function longestSocketPath(platform: string): number {
  return platform === 'linux' ? 107 : 103
}

export function socketFile(socketDirectory: string): string {
  return `${socketDirectory}/.s.PGSQL.${port}`
}

/** Written anew at every start, so that a newer Hallpass brings its own settings along. */
export function serverSettings(facts: {
  socketDirectory: string
  hbaFile: string
  identFile: string
  customFile: string
  hasCustomFile: boolean
  major: number
}): string {
  return `# Written by Hallpass at every start. Put your own settings into ${facts.customFile}
max_connections = 100
shared_buffers = 128MB
max_wal_size = 512MB
max_parallel_workers_per_gather = 0
jit = off
timezone = 'UTC'
${facts.major >= 18 ? 'io_method = sync\n' : ''}${facts.hasCustomFile ? `include = ${quoted(facts.customFile)}\n` : ''}

# Below: what Hallpass relies on
listen_addresses = ''
port = ${port}
unix_socket_directories = ${quoted(facts.socketDirectory)}
unix_socket_permissions = 0700
hba_file = ${quoted(facts.hbaFile)}
ident_file = ${quoted(facts.identFile)}
fsync = on
full_page_writes = on
synchronous_commit = on
lc_messages = 'C'

# Statements and values stay out of the log: errors go to the client that caused them
log_destination = 'stderr'
logging_collector = off
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = 'none'
log_checkpoints = off
`
}

/** The two roles over the socket, nobody else, the superuser included: setting up happens without a server. */
export function hbaRules(): string {
  return `# Written by Hallpass at every start
local all ${roleNames.owner},${roleNames.application} peer map=hallpass
`
}

/** Which operating system users may be which role. */
export function identMap(osUserNames: readonly string[]): string {
  const lines = osUserNames.flatMap((name) =>
    Object.values(roleNames).map((role) => `hallpass "${name.replaceAll('"', '""')}" ${role}`),
  )
  return `# Written by Hallpass at every start\n${lines.join('\n')}\n`
}

/** Run once, in single-user mode: one statement a line. */
export function setupStatements(options: { ownerMayCreateDatabases: boolean }): string {
  const { owner, application } = roleNames
  return [
    `create role ${owner} login nosuperuser nocreaterole ${options.ownerMayCreateDatabases ? 'createdb' : 'nocreatedb'}`,
    `create role ${application} login nosuperuser nocreaterole nocreatedb`,
    ...(options.ownerMayCreateDatabases ? [`grant pg_signal_backend to ${owner}`] : []),
    `create database ${databaseName} owner ${owner}`,
  ]
    .map((statement) => `${statement};\n`)
    .join('')
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", "''")}'`
}
