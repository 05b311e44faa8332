-- Writes an order's row.
-- $1 id, $2 client, $3 idempotency key and $4 the hash of its request (both NULL without a key),
-- $5 seconds for which it is held (NULL: for good)
-- Returns its status, when it was created and when its hold ends. Fails, on the index
-- orders_idempotency_key, if the key has an order; if another transaction is writing one, waits for its
-- end.
INSERT INTO orders (id, client, idempotency_key, request_hash, status, hold_expires_at)
VALUES ($1, $2, $3, $4, CASE WHEN $5::bigint IS NULL THEN 'confirmed' ELSE 'held' END, now() + $5 * interval '1 second')
RETURNING status, created_at, hold_expires_at
