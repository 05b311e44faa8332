-- Creates the SKUs to be measured.
-- $1 what their names begin with, followed by a number from 1
-- $2 how many
-- $3 units of each
WITH put AS (
    INSERT INTO stock (sku, on_hand) SELECT $1::text || n, $3::bigint FROM generate_series(1, $2::bigint) AS n
    RETURNING sku
)
INSERT INTO movements (sku, delta, reason, on_hand, version, replica)
SELECT sku, $3, 'set', $3, 1, 'bench' FROM put
