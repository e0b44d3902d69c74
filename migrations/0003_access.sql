-- Ask, review, hold, end: the two state machines of CONTRACTS section 3, with their assertions as constraints.
create table access_request (
  id text primary key,
  state text not null check (state in ('pending', 'approved', 'denied', 'cancelled', 'expired')),
  subject text not null references subject (id),
  resource text not null,
  role text not null,
  requested_scopes text[] not null check (cardinality(requested_scopes) > 0),
  scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ requested_scopes),
  requested_duration_seconds integer not null check (requested_duration_seconds > 0),
  duration_seconds integer not null check (duration_seconds > 0 and duration_seconds <= requested_duration_seconds),
  justification text not null,
  ticket text,
  starts_at timestamptz(3),
  policy text not null,
  catalog_version integer not null references catalog_version (version),
  -- the seats recorded at ask: [{"from": ["group"], "count": 1}]
  seats jsonb not null,
  is_break_glass boolean not null default false,
  after_review text check (after_review in ('open', 'accepted', 'rejected')),
  review_by timestamptz(3),
  extends_grant_id text,
  grant_id text,
  version integer not null default 1 check (version > 0),
  created_at timestamptz(3) not null,
  created_via text not null,
  answer_by timestamptz(3) not null,
  decided_at timestamptz(3),
  check ((state = 'pending') = (decided_at is null)),
  check (is_break_glass = (after_review is not null)),
  check (not (is_break_glass and extends_grant_id is not null))
);
create unique index access_request_one_pending on access_request (subject, role)
  where state = 'pending' and extends_grant_id is null;
create unique index access_request_one_extension on access_request (extends_grant_id)
  where state = 'pending' and extends_grant_id is not null;
create unique index access_request_one_break_glass on access_request (subject)
  where after_review = 'open';
create index access_request_answer_by on access_request (answer_by) where state = 'pending';
create index access_request_subject on access_request (subject, id desc);
create index access_request_state on access_request (state, id desc);
-- who sees a request: its seats, its policy, its resource; while it is pending, whoever policy now seats
create index access_request_seats on access_request using gin (seats jsonb_path_ops);
create index access_request_policy on access_request (policy, id desc);
create index access_request_pending_role on access_request (role, id desc) where state = 'pending';
create index access_request_resource on access_request (resource, id desc);

create table review (
  id text primary key,
  request_id text not null references access_request (id),
  reviewer text not null,
  -- the human behind the reviewer, so that two accounts of one person are one
  person text not null,
  verdict text not null check (verdict in ('approve', 'deny')),
  comment text,
  scopes text[],
  duration_seconds integer check (duration_seconds > 0),
  via text not null,
  at timestamptz(3) not null
);
create unique index review_one_each on review (request_id, person);
create index review_person on review (person);
create index review_reviewer on review (reviewer);

create table request_comment (
  id text primary key,
  request_id text not null references access_request (id),
  author text not null,
  text text not null,
  via text not null,
  at timestamptz(3) not null
);
create index request_comment_request on request_comment (request_id, id);

create table access_grant (
  id text primary key,
  request_id text not null references access_request (id),
  subject text not null references subject (id),
  resource text not null,
  audience text not null,
  role text not null,
  scopes text[] not null check (cardinality(scopes) > 0),
  policy text not null,
  catalog_version integer not null references catalog_version (version),
  state text not null check (state in ('scheduled', 'active', 'suspended', 'revoked', 'released', 'expired')),
  is_break_glass boolean not null default false,
  token_lifetime_seconds integer not null check (token_lifetime_seconds between 30 and 3600),
  starts_at timestamptz(3) not null,
  ends_at timestamptz(3) not null check (ends_at > starts_at),
  ended_at timestamptz(3),
  ended_by text,
  end_reason text,
  ending_told_for timestamptz(3),
  created_at timestamptz(3) not null,
  version integer not null default 1 check (version > 0),
  check ((state in ('revoked', 'released', 'expired')) = (ended_at is not null))
);
create unique index access_grant_one_per_request on access_grant (request_id);
-- lists and sweeps over what still lives; ended grants are history and stay out of it
create index access_grant_ends on access_grant (ends_at) where state in ('scheduled', 'active', 'suspended');
create index access_grant_starts on access_grant (starts_at) where state = 'scheduled';
create index access_grant_live_subject on access_grant (subject) where state in ('scheduled', 'active', 'suspended');
create index access_grant_live_resource on access_grant (resource) where state in ('scheduled', 'active', 'suspended');
create index access_grant_subject on access_grant (subject, id desc);
create index access_grant_resource on access_grant (resource, id desc);

alter table access_request
  add foreign key (grant_id) references access_grant (id),
  add foreign key (extends_grant_id) references access_grant (id);
