-- Writes a group of orders in one statement.
-- $1 to $5, for each order: id, client (NULL: clients are not distinguished), idempotency key and the hash of
-- its request (NULL without a key), seconds for which it is held (NULL: for good); the other arrays may be
-- shorter than that of the ids, and what they lack is NULL
-- $6 to $11, for each SKU: name, units taken, lines, token of the lease, and the level and version left
-- $12 to $16, for each line, in the order of sale: order id, SKU, quantity, level and version after it
-- $17 replica
-- Returns the transaction's time, and 1. Fails, with a division by zero, unless every SKU's level and version
-- were those that the group started from: COMMIT follows in the same batch, and only an error stops it. Also
-- fails, on the index orders_idempotency_key, if a key has an order.
--
-- Every row is updated once, however many orders want it: this is what a group is for. Rows are locked in
-- whatever order Postgres finds them.
WITH placed AS (
    INSERT INTO orders (id, client, idempotency_key, request_hash, status, hold_expires_at)
    SELECT id, coalesce(client, ''), key, hash, CASE WHEN hold IS NULL THEN 'confirmed' ELSE 'held' END, now() + hold * interval '1 second'
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bigint[]) AS o (id, client, key, hash, hold)
),
taken AS (
    UPDATE stock
    SET on_hand = stock.on_hand - t.units,
        sold = stock.sold + t.units,
        version = stock.version + t.lines,
        fence = greatest(stock.fence, t.token),
        updated_at = now()
    FROM unnest($6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])
        AS t (sku, units, lines, token, remaining, reached)
    WHERE stock.sku = t.sku AND stock.on_hand - t.units = t.remaining AND stock.version + t.lines = t.reached
    RETURNING stock.sku, t.token
),
moved AS (
    INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, token, replica)
    SELECT m.sku, -m.quantity, 'sale', m.order_id, m.on_hand, m.version, taken.token, $17
    FROM unnest($12::uuid[], $13::text[], $14::bigint[], $15::bigint[], $16::bigint[])
        WITH ORDINALITY AS m (order_id, sku, quantity, on_hand, version, n)
    JOIN taken USING (sku)
    ORDER BY m.n
)
SELECT now(), 1 / (count(*) = cardinality($6::text[]))::int FROM taken
