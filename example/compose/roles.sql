-- the application's role: it may not own tables, so it cannot touch the audit log
create role hallpass_app login password 'for-the-demonstration-only';
