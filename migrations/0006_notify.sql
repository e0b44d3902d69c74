-- The transactional outbox.
create table outbox_event (
  id text primary key,
  sequence bigint generated always as identity unique,
  type text not null,
  order_key text not null,
  data jsonb not null,
  created_at timestamptz(3) not null
);
