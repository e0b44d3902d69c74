-- What was used, as roll-ups: when a grant was last used, and each of its scopes.
create table grant_usage (
  grant_id text primary key references access_grant (id),
  mint_count bigint not null default 0,
  first_used_at timestamptz(3),
  last_used_at timestamptz(3)
) with (fillfactor = 70);
create table grant_scope_usage (
  grant_id text not null references access_grant (id),
  scope text not null,
  first_used_at timestamptz(3) not null,
  last_used_at timestamptz(3) not null,
  primary key (grant_id, scope)
) with (fillfactor = 70);
