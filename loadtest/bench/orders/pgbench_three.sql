-- The reference: an order as three statements in one transaction, on orderd's schema, without
-- a lock: the constraint alone protects the stock. The hot row is locked last but one.
-- skus: how many SKUs there are to choose from
\set n random(1, :skus)
BEGIN;
INSERT INTO orders (id, status) VALUES (gen_random_uuid(), 'confirmed') RETURNING id AS order_id \gset
UPDATE stock SET on_hand = on_hand - 1, sold = sold + 1, version = version + 1, updated_at = now()
WHERE sku = 'S' || :n AND on_hand >= 1 RETURNING on_hand AS level, version AS version \gset
INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, replica)
VALUES ('S' || :n, -1, 'sale', :order_id, :level, :version, 'pgbench');
COMMIT;
