-- The transactional outbox: an event commits with what it tells of, and is owed to every notifier known then.
create table outbox_event (
  id text primary key,
  sequence bigint generated always as identity unique,
  type text not null,
  order_key text not null,
  data jsonb not null,
  created_at timestamptz(3) not null
);
create index outbox_event_created on outbox_event (created_at);

-- who is owed events; a row stays while some replica still runs that notifier
create table outbox_notifier (
  name text primary key,
  seen_at timestamptz(3) not null
);

-- one row per event and notifier; every instant here is the database's own
create table outbox_delivery (
  notifier text not null,
  sequence bigint not null references outbox_event (sequence) on delete cascade,
  order_key text not null,
  state text not null default 'waiting' check (state in ('waiting', 'delivered', 'undeliverable')),
  -- nobody may take it before: the next attempt, or the end of the holder's lease
  due_at timestamptz(3) not null default clock_timestamp(),
  held_by text,
  attempt_count integer not null default 0 check (attempt_count >= 0),
  last_error text,
  created_at timestamptz(3) not null default clock_timestamp(),
  settled_at timestamptz(3),
  primary key (sequence, notifier),
  check ((state = 'waiting') = (settled_at is null)),
  check (held_by is null or state = 'waiting')
);
create index outbox_delivery_due on outbox_delivery (notifier, due_at) where state = 'waiting';
create index outbox_delivery_order on outbox_delivery (notifier, order_key, sequence) where state = 'waiting';
create index outbox_delivery_undeliverable on outbox_delivery (notifier) where state = 'undeliverable';
