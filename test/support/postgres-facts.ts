/** What the run's setup tells every test file about the server, as connection URLs. */
export interface PostgresFacts {
  /** may make and drop databases */
  readonly admin: string
  readonly owner: string
  readonly application: string
  /** the name of the migrated database that is copied */
  readonly template: string
}

declare module 'vitest' {
  interface ProvidedContext {
    postgres: PostgresFacts
  }
}

/** The same server and role, another database. */
export function databaseUrl(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}
