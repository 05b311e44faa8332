-- Writes a group of orders whose rows are locked, all at once.
-- $1 order ids
-- $2 to $6, for each SKU: name, units taken, lines, token of the lease, and the level left
-- $7 to $11, for each line, in the order of sale: order id, SKU, quantity, level and version after it
-- $12 replica
-- Fails, by a division, unless every SKU's level was as expected. It always is, for the rows are
-- locked; but COMMIT is on its way behind this statement and is not held up by anything but an error.
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
    FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS t (sku, units, lines, token, remaining)
    WHERE stock.sku = t.sku AND stock.on_hand - t.units = t.remaining
    RETURNING stock.sku, t.token
),
moved AS (
    INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, token, replica)
    SELECT m.sku, -m.quantity, 'sale', m.order_id, m.on_hand, m.version, taken.token, $12
    FROM unnest($7::uuid[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[])
        WITH ORDINALITY AS m (order_id, sku, quantity, on_hand, version, n)
    JOIN taken USING (sku)
    ORDER BY m.n
)
SELECT 1 / (count(*) = cardinality($2::text[]))::int FROM taken
