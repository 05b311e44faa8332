-- Fills a fresh database with a shop's past: sales of SKUs other than those that are
-- measured, in orders of one unit, with a client and a key each. Statistics gathered on empty tables give plans that no
-- shop sees.
-- bench.sales  how many
-- bench.skus   SKUs that were sold; a divisor of the sales
-- These are settings of the session, as several statements at once cannot have parameters.
BEGIN;
-- Skips the foreign-key check of each row, which holds by construction.
SET LOCAL session_replication_role = replica;

CREATE TEMP TABLE past ON COMMIT DROP AS
SELECT current_setting('bench.skus')::bigint AS skus,
       current_setting('bench.sales')::bigint / current_setting('bench.skus')::bigint AS sold;

INSERT INTO stock (sku, on_hand, sold, version)
SELECT 'P' || n, 1000000000, sold, 1 + sold FROM past, generate_series(1, skus) AS n;

INSERT INTO movements (sku, delta, reason, on_hand, version, replica)
SELECT 'P' || n, 1000000000 + sold, 'set', 1000000000 + sold, 1, 'past' FROM past, generate_series(1, skus) AS n;

-- Ids as orderd makes them: the first bits are the time.
CREATE TEMP TABLE sale ON COMMIT DROP AS
SELECT n, (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(n::text), 14))::uuid AS id
FROM past, generate_series(0, skus * sold - 1) AS n;

-- The index of the keys is made afterwards: they are in no order.
CREATE TEMP TABLE keys ON COMMIT DROP AS SELECT pg_get_indexdef('orders_idempotency_key'::regclass) AS index;
DROP INDEX orders_idempotency_key;
INSERT INTO orders (id, client, idempotency_key, request_hash, status)
SELECT id, 'past', 'sha256 ' || encode(sha256(id::text::bytea), 'base64'), sha256(id::text::bytea), 'confirmed'
FROM sale ORDER BY n;
DO $$ BEGIN EXECUTE (SELECT index FROM keys); END $$;

INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, replica)
SELECT 'P' || 1 + n % skus, -1, 'sale', id, 1000000000 + sold - 1 - n / skus, 2 + n / skus, 'past'
FROM past, sale ORDER BY n;
COMMIT;
