-- A run of a job belongs to its scheduled time, so that one replica runs each and every replica agrees who did.
create table job_run (
  job text not null,
  scheduled_at timestamptz(3) not null,
  started_at timestamptz(3) not null,
  -- nobody else may take this run before: the end of the holder's lease, or the time of the next attempt
  held_until timestamptz(3) not null,
  finished_at timestamptz(3),
  outcome text check (outcome in ('ok', 'failed')),
  details jsonb,
  replica text not null,
  attempt_count integer not null default 1 check (attempt_count > 0),
  primary key (job, scheduled_at),
  check ((finished_at is null) = (outcome is null))
);
create index job_run_scheduled on job_run (scheduled_at);
