-- Signing keys (private parts encrypted), the ids of minted tokens (never the tokens), and what was taken back.
create table signing_key (
  kid text primary key,
  algorithm text not null check (algorithm in ('RS256', 'ES256', 'EdDSA')),
  state text not null check (state in ('next', 'active', 'retiring', 'retired', 'revoked')),
  public_jwk jsonb not null,
  private_sealed bytea,
  created_at timestamptz(3) not null,
  published_at timestamptz(3) not null,
  activated_at timestamptz(3),
  retiring_at timestamptz(3),
  ended_at timestamptz(3)
);
create unique index signing_key_one_active on signing_key (state) where state = 'active';
create unique index signing_key_one_next on signing_key (state) where state = 'next';

create table issued_token (
  jti text primary key,
  grant_id text not null references access_grant (id),
  subject text not null,
  resource text not null,
  client_id text not null,
  scopes text[] not null,
  kid text not null,
  issued_at timestamptz(3) not null,
  expires_at timestamptz(3) not null check (expires_at > issued_at)
);
create index issued_token_grant on issued_token (grant_id, expires_at);
create index issued_token_expires on issued_token (expires_at);

create table revocation (
  id text primary key,
  kind text not null check (kind in ('grant', 'token', 'subject', 'resource')),
  target text not null,
  -- whose verifiers need to know; null means every resource
  resource text,
  at timestamptz(3) not null,
  forget_at timestamptz(3) not null check (forget_at > at)
);
create index revocation_forget on revocation (forget_at);
create index revocation_target on revocation (kind, target);
