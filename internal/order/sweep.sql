-- Locks holds that are past their time, the oldest first, and leaves out those that another replica is
-- at, or whose client confirms or cancels them right now.
-- $1 the most there may be
-- Answers their ids.
SELECT id FROM orders
WHERE status = 'held' AND hold_expires_at <= now()
ORDER BY hold_expires_at LIMIT $1
FOR UPDATE SKIP LOCKED
