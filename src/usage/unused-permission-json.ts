import type { UnusedPermission } from './granted-versus-used.ts'

/** A row of CONTRACTS §4 as events and stored reports carry it. */
export type UnusedPermissionJson = Readonly<Record<string, unknown>>

export function unusedPermissionJson(row: UnusedPermission): UnusedPermissionJson {
  const { suggestion } = row
  return {
    subject: row.subject,
    resource: row.resource,
    role: row.role,
    granted_scopes: row.grantedScopes,
    used_scopes: row.usedScopes,
    unused_scopes: row.unusedScopes,
    grant_count: row.grantCount,
    held_seconds: row.heldSeconds,
    use_count: row.useCount,
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
    status: row.status,
    suggestion:
      suggestion === null
        ? null
        : {
            role: suggestion.role,
            scopes: suggestion.scopes,
            duration_seconds: suggestion.durationSeconds,
          },
  }
}
