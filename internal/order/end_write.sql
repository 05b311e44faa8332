-- Ends orders that took units: gives them back, and writes why.
-- $1 order ids, whose rows are locked, and those of their SKUs too
-- $2 the orders' new status, $3 reason of the movements, $4 replica
-- Answers the new level, version and guard of each SKU.
--
-- What is returned counts as sold no longer: on_hand + sold stays what ever came in. The fence stays,
-- too: a return is nobody's turn.
WITH ended AS (
    UPDATE orders SET status = $2, updated_at = now() WHERE id = ANY ($1::uuid[])
),
line AS (
    SELECT sku, order_id, -delta AS units,
           sum(-delta) OVER earlier AS so_far, row_number() OVER earlier AS nth
    FROM movements WHERE order_id = ANY ($1::uuid[]) AND reason = 'sale'
    WINDOW earlier AS (PARTITION BY sku ORDER BY version ROWS UNBOUNDED PRECEDING)
),
total AS (
    SELECT sku, sum(units)::bigint AS units, count(*) AS lines FROM line GROUP BY sku
),
returned AS (
    UPDATE stock
    SET on_hand = stock.on_hand + total.units,
        sold = stock.sold - total.units,
        version = stock.version + total.lines,
        updated_at = now()
    FROM total WHERE stock.sku = total.sku
    RETURNING stock.sku, stock.on_hand, stock.version, stock.guard, total.units, total.lines
),
moved AS (
    INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, replica)
    SELECT sku, line.units, $3, line.order_id,
           returned.on_hand - returned.units + line.so_far, returned.version - returned.lines + line.nth, $4
    FROM line JOIN returned USING (sku)
    ORDER BY sku, line.nth
)
SELECT sku, on_hand, version, guard FROM returned
