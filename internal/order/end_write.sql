-- Ends orders: sets their status, returns their units and writes the movements.
-- $1 order ids, whose rows are locked, as are those of their SKUs
-- $2 the orders' new status, $3 reason of the movements, $4 replica
-- Returns SKU, new level, version and guard of each SKU.
--
-- Returned units no longer count as sold: on_hand + sold remains the number of units received. The fence does
-- not change: a return needs no lease.
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
