-- Writes a group of orders, all at once.
-- $1 order ids
-- $2 to $7, for each SKU: name, units taken, lines, token of the lease, and the level and version left
-- $8 to $12, for each line, in the order of sale: order id, SKU, quantity, level and version after it
-- $13 replica
-- Answers the transaction's time, and 1. Fails, by a division, unless every SKU's level and version
-- were those that the group started from: COMMIT is on its way behind this statement and is not held
-- up by anything but an error.
--
-- Every row is touched once, however many orders want it: this is what a group is for.
WITH placed AS (
    INSERT INTO orders (id, status) SELECT unnest($1::uuid[]), 'confirmed'
),
taken AS (
    UPDATE stock
    SET on_hand = stock.on_hand - t.units,
        sold = stock.sold + t.units,
        version = stock.version + t.lines,
        fence = greatest(stock.fence, t.token),
        updated_at = now()
    FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        AS t (sku, units, lines, token, remaining, reached)
    WHERE stock.sku = t.sku AND stock.on_hand - t.units = t.remaining AND stock.version + t.lines = t.reached
    RETURNING stock.sku, t.token
),
moved AS (
    INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, token, replica)
    SELECT m.sku, -m.quantity, 'sale', m.order_id, m.on_hand, m.version, taken.token, $13
    FROM unnest($8::uuid[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[])
        WITH ORDINALITY AS m (order_id, sku, quantity, on_hand, version, n)
    JOIN taken USING (sku)
    ORDER BY m.n
)
SELECT now(), 1 / (count(*) = cardinality($2::text[]))::int FROM taken
