-- The audit log: entries come in through append_audit_entry alone.
create table audit_entry (
  id text primary key,
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
  details jsonb not null default '{}'
);

create function append_audit_entry(
  p_id text, p_at timestamptz, p_action text, p_actor_kind text, p_actor_id text, p_actor_via text,
  p_subject text, p_resource text, p_request_id text, p_grant_id text, p_outcome text, p_code text,
  p_details jsonb
) returns void
language sql security definer set search_path = public, pg_temp
as $$
  insert into audit_entry (id, at, action, actor_kind, actor_id, actor_via, subject, resource,
                           request_id, grant_id, outcome, code, details)
  values (p_id, p_at, p_action, p_actor_kind, p_actor_id, p_actor_via, p_subject, p_resource,
          p_request_id, p_grant_id, p_outcome, p_code, p_details)
$$;
