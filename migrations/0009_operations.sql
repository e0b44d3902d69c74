-- Idempotency keys, and what marks a database as too new for older code.
create table idempotency_key (
  digest bytea primary key,
  body_digest text not null,
  status integer not null,
  -- not jsonb, which forgets the order of members: a repetition is answered word for word
  body json,
  created_at timestamptz(3) not null
);
create index idempotency_key_created on idempotency_key (created_at);

-- a migration that older releases cannot live with raises minimum_generation; see src/database/migrations.ts
create table compatibility (
  is_only boolean primary key default true check (is_only),
  minimum_generation integer not null
);
insert into compatibility (minimum_generation) values (1);
