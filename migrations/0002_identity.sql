-- Who there is, how they sign in, and what clients prove themselves with.
create table subject (
  id text primary key,
  kind text not null check (kind in ('person', 'workload')),
  is_disabled boolean not null default false,
  disabled_at timestamptz(3),
  disabled_reason text,
  provider_issuer text,
  provider_subject text,
  claim_groups text[] not null default '{}',
  claims_at timestamptz(3),
  last_sign_in_at timestamptz(3),
  created_at timestamptz(3) not null,
  check (is_disabled = (disabled_at is not null))
);
create unique index subject_provider on subject (provider_issuer, provider_subject);

create table session (
  id text primary key,
  secret_hash bytea not null,
  subject text not null references subject (id),
  via text not null,
  authenticated_by text not null,
  created_at timestamptz(3) not null,
  last_seen_at timestamptz(3) not null,
  expires_at timestamptz(3) not null,
  ended_at timestamptz(3),
  client_address text,
  user_agent text,
  check (expires_at > created_at)
);
create unique index session_secret on session (secret_hash);
create index session_subject on session (subject) where ended_at is null;
create index session_expires on session (expires_at);

-- secrets of resources and of workloads without a key of their own; one namespace with workloads and clients
create table client_credential (
  client_id text primary key,
  owner_kind text not null check (owner_kind in ('resource', 'workload')),
  owner_name text not null,
  secret_hash bytea not null,
  created_at timestamptz(3) not null,
  created_by text not null,
  last_used_at timestamptz(3),
  deleted_at timestamptz(3)
);
create index client_credential_owner on client_credential (owner_kind, owner_name) where deleted_at is null;

-- one-time jti of client assertions (RFC 7523 section 3)
create table client_assertion (
  client_id text not null,
  jti_hash bytea not null,
  expires_at timestamptz(3) not null,
  primary key (client_id, jti_hash)
);
create index client_assertion_expires on client_assertion (expires_at);

-- a browser on its way to the identity provider and back; state is stored hashed
create table sign_in (
  state_hash bytea primary key,
  -- the browser that started: the hash of a cookie that only it holds
  browser_hash bytea not null,
  return_to text not null,
  created_at timestamptz(3) not null,
  expires_at timestamptz(3) not null,
  used_at timestamptz(3)
);
create index sign_in_expires on sign_in (expires_at);

-- authorization codes of /oauth/authorize (RFC 6749 section 4.1, RFC 7636)
create table authorization_code (
  code_hash bytea primary key,
  client_id text not null,
  redirect_uri text not null,
  code_challenge text not null,
  subject text not null references subject (id),
  authenticated_by text not null,
  created_at timestamptz(3) not null,
  expires_at timestamptz(3) not null,
  used_at timestamptz(3),
  session_id text
);
create index authorization_code_expires on authorization_code (expires_at);
