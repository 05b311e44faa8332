-- Writes an order's row.
-- $1 id, $2 client, $3 idempotency key and $4 the hash of its request (both NULL without a key),
-- $5 status
-- Answers when it was created. Fails, by the index orders_idempotency_key, if the key has an order; if
-- another transaction is about to write one, waits for its end.
INSERT INTO orders (id, client, idempotency_key, request_hash, status)
VALUES ($1, $2, $3, $4, $5)
RETURNING created_at
