-- Ends a session of this role's in this database, if it is still there.
-- $1 its process, as the server told it at the start
-- $2 how long to wait for its end, in milliseconds
-- Answers whether it is gone. Whatever it is sent from now on, it will not do.
SELECT coalesce(bool_and(pg_terminate_backend(pid, $2)), true)
FROM pg_stat_activity
WHERE pid = $1 AND usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
