-- The audit log: written by the functions below alone, sealed in an RFC 6962 Merkle tree, never changed.
create table audit_entry (
  id text primary key,
  -- the order of writing, which neither clocks nor ids tell; gaps mean nothing
  sequence bigint generated always as identity,
  -- null until sealed, then gapless from 1: the leaf's index in the tree plus one
  position bigint check (position > 0),
  at timestamptz(3) not null,
  action text not null,
  actor_kind text not null,
  actor_id text not null,
  actor_via text not null,
  subject text,
  resource text,
  request_id text,
  grant_id text,
  outcome text not null check (outcome in ('ok', 'refused')),
  code text,
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object')
);
create unique index audit_entry_position on audit_entry (position) where position is not null;
-- all that sealing ever looks at: its work depends on what is unsealed, not on the log
create index audit_entry_unsealed on audit_entry (sequence) where position is null;
-- filters are paid for when an entry is sealed, not in the operation that wrote it
create index audit_entry_subject on audit_entry (subject, position) where position is not null;
create index audit_entry_resource on audit_entry (resource, position) where position is not null;
create index audit_entry_grant on audit_entry (grant_id, position) where position is not null;
create index audit_entry_action on audit_entry (action, position) where position is not null;
create index audit_entry_at on audit_entry (at) where position is not null;

-- every complete subtree; level 0 holds the leaf hashes, node (0, position - 1) that of an entry
create table audit_node (
  level smallint not null check (level >= 0),
  index bigint not null check (index >= 0),
  hash bytea not null check (octet_length(hash) = 32),
  primary key (level, index)
);

-- signed statements about the log (C2SP tlog-checkpoint), one for each sealing
create table audit_checkpoint (
  size bigint primary key check (size >= 0),
  root bytea not null check (octet_length(root) = 32),
  note text not null,
  sealed_at timestamptz(3) not null
);

-- the Ed25519 key that signs them; its name is the log's origin for good
create table audit_key (
  is_only boolean primary key default true check (is_only),
  verifier_key text not null,
  private_sealed bytea not null,
  created_at timestamptz(3) not null
);

create function append_audit_entry(
  p_id text, p_at timestamptz, p_action text, p_actor_kind text, p_actor_id text, p_actor_via text,
  p_subject text, p_resource text, p_request_id text, p_grant_id text, p_outcome text, p_code text,
  p_details jsonb
) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into public.audit_entry (id, at, action, actor_kind, actor_id, actor_via, subject, resource,
                                  request_id, grant_id, outcome, code, details)
  values (p_id, p_at, p_action, p_actor_kind, p_actor_id, p_actor_via, p_subject, p_resource,
          p_request_id, p_grant_id, p_outcome, p_code, p_details);
end;

-- p_ids are sealed at p_size + 1, p_size + 2, …; nodes and checkpoint are what that makes of the tree
create function seal_audit_entries(
  p_size bigint, p_ids text[], p_levels smallint[], p_indexes bigint[], p_hashes bytea[],
  p_root bytea, p_note text, p_sealed_at timestamptz
) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_size bigint;
  v_sealed bigint;
begin
  perform pg_advisory_xact_lock(7133701926413);
  select coalesce(max(size), 0) into v_size from public.audit_checkpoint;
  if v_size <> p_size then
    raise exception 'the log has % entries by now', v_size using errcode = 'serialization_failure';
  end if;
  update public.audit_entry entry set position = p_size + sealed.place
    from unnest(p_ids) with ordinality sealed (id, place)
    where entry.id = sealed.id and entry.position is null;
  get diagnostics v_sealed = row_count;
  if v_sealed <> cardinality(p_ids) then
    raise exception 'only % of % entries wait to be sealed', v_sealed, cardinality(p_ids);
  end if;
  insert into public.audit_node (level, index, hash)
    select * from unnest(p_levels, p_indexes, p_hashes);
  insert into public.audit_checkpoint (size, root, note, sealed_at)
    values (p_size + v_sealed, p_root, p_note, p_sealed_at);
end $$;

-- the first key stays: a second one is not stored
create function create_audit_key(p_verifier_key text, p_private_sealed bytea, p_created_at timestamptz)
returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into public.audit_key (verifier_key, private_sealed, created_at)
  values (p_verifier_key, p_private_sealed, p_created_at)
  on conflict do nothing;
end;

-- the same key, encrypted by another master key
create function reseal_audit_key(p_verifier_key text, p_private_sealed bytea)
returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  update public.audit_key set private_sealed = p_private_sealed where verifier_key = p_verifier_key;
end;

-- by default everybody may execute a function; runMigrations lets the application's role
revoke all on function append_audit_entry, seal_audit_entries, create_audit_key, reseal_audit_key
  from public;
