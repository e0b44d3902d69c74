-- A run of a job belongs to its scheduled time, so that every replica agrees who ran it.
create table job_run (
  job text not null,
  scheduled_at timestamptz(3) not null,
  started_at timestamptz(3) not null,
  finished_at timestamptz(3),
  outcome text check (outcome in ('ok', 'failed')),
  details jsonb,
  replica text not null,
  primary key (job, scheduled_at)
);
