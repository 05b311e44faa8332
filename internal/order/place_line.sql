-- Takes one line's units if the SKU's guard admits it, and writes the movement.
-- $1 sku, $2 quantity, $3 order id, $4 the lease's token (0 without one), $5 replica
-- Returns the level and version after the sale, or no row if the guard refused or there is no such SKU.
--
-- The guard is stored in the row, so no replica's settings can weaken it. The UPDATE waits for a sale
-- of the same SKU that has not committed yet and then checks the row as that sale left it.
WITH taken AS (
    UPDATE stock
    SET on_hand = on_hand - $2::bigint,
        sold = sold + $2::bigint,
        version = version + 1,
        fence = greatest(fence, $4::bigint),
        updated_at = now()
    WHERE sku = $1
      AND CASE guard
            WHEN 'predicate' THEN on_hand >= $2::bigint
            WHEN 'fence' THEN fence <= $4::bigint
            WHEN 'claim' THEN fence = $4::bigint
            WHEN 'none' THEN true
          END
    RETURNING sku, on_hand, version
)
INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, token, replica)
SELECT sku, -$2::bigint, 'sale', $3::uuid, on_hand, version, $4::bigint, $5 FROM taken
RETURNING on_hand, version
