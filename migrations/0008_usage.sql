-- What was used, as roll-ups that writes in any order and any number of times leave the same; and the weekly report.
-- No foreign key to access_grant: recording use must neither wait for, nor hold up, what ends a grant.
create table grant_usage (
  grant_id text primary key,
  first_minted_at timestamptz(3),
  last_minted_at timestamptz(3) check (last_minted_at >= first_minted_at),
  first_used_at timestamptz(3),
  last_used_at timestamptz(3) check (last_used_at >= first_used_at),
  -- reported, allowed events alone; what the broker itself sees is not counted
  allowed_count bigint not null default 0 check (allowed_count >= 0)
) with (fillfactor = 70);
create table grant_scope_usage (
  grant_id text not null,
  scope text not null,
  first_used_at timestamptz(3) not null,
  last_used_at timestamptz(3) not null check (last_used_at >= first_used_at),
  primary key (grant_id, scope)
) with (fillfactor = 70);

-- when a resource last told of any use: without that, nothing on it may be called unused
create table resource_evidence (
  resource text primary key,
  last_seen_at timestamptz(3) not null
) with (fillfactor = 70);

-- what its holder wants to keep though it is not used
create table kept_permission (
  subject text not null references subject (id),
  role text not null,
  reason text not null,
  until timestamptz(3) not null check (until > kept_at),
  kept_at timestamptz(3) not null,
  primary key (subject, role)
);

-- one row a holder and week; the week is its Monday
create table unused_permission_report (
  week date not null check (extract(isodow from week) = 1),
  subject text not null references subject (id),
  generated_at timestamptz(3) not null,
  window_days integer not null,
  items jsonb not null,
  primary key (week, subject)
);
