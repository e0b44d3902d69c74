-- Catalog versions: every content ever applied, with the files it names; the highest version is in force on every replica.
create table catalog_version (
  version integer primary key check (version > 0),
  content text not null,
  files jsonb not null,
  content_hash text not null,
  applied_at timestamptz(3) not null,
  applied_by jsonb not null,
  is_forced boolean not null default false
);
create index catalog_version_content_hash on catalog_version (content_hash);
