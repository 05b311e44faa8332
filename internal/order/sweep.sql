-- Locks expired holds, the oldest first, and skips those that another transaction has locked: that of a
-- replica which sweeps them, or of a client who confirms or cancels them.
-- $1 the maximum number
-- $2 ids to leave out
-- Returns their ids.
SELECT id FROM orders
WHERE status = 'held' AND hold_expires_at <= now() AND id <> ALL ($2::uuid[])
ORDER BY hold_expires_at LIMIT $1
FOR UPDATE SKIP LOCKED
