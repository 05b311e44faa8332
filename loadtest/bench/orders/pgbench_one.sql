-- Published beside the reference, without a verdict: the same order as one statement. It
-- holds the row lock for one round trip less.
-- skus: how many SKUs there are to choose from
\set n random(1, :skus)
WITH placed AS (
    INSERT INTO orders (id, status) VALUES (gen_random_uuid(), 'confirmed') RETURNING id
),
taken AS (
    UPDATE stock SET on_hand = on_hand - 1, sold = sold + 1, version = version + 1, updated_at = now()
    WHERE sku = 'S' || :n AND on_hand >= 1 RETURNING sku, on_hand, version
)
INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, replica)
SELECT taken.sku, -1, 'sale', placed.id, taken.on_hand, taken.version, 'pgbench' FROM taken, placed;
