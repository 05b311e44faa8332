-- Ends a session of this role's in this database, if it still exists.
-- $1 its process id, as the server reported it when the connection was opened
-- $2 how long to wait for its end, in milliseconds
-- Returns whether it is gone: nothing that still arrives for it is then executed.
SELECT coalesce(bool_and(pg_terminate_backend(pid, $2)), true)
FROM pg_stat_activity
WHERE pid = $1 AND usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
