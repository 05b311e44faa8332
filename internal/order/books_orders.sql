-- Checks the orders against the ledger: each took its units once; those that were cancelled or have expired
-- returned them once, and no others did.
-- Returns the order's id, and what is wrong with it.
WITH line AS (
    SELECT order_id, sku,
           count(*) FILTER (WHERE reason = 'sale') AS sales,
           -sum(delta) FILTER (WHERE reason = 'sale') AS sold,
           count(*) FILTER (WHERE reason = 'cancel') AS cancels,
           count(*) FILTER (WHERE reason = 'hold_expired') AS expiries,
           sum(delta) FILTER (WHERE reason IN ('cancel', 'hold_expired')) AS returned,
           count(*) FILTER (WHERE reason NOT IN ('sale', 'cancel', 'hold_expired')) AS others
    FROM movements
    WHERE order_id IS NOT NULL OR reason IN ('sale', 'cancel', 'hold_expired')
    GROUP BY order_id, sku
),
compared AS (
    SELECT coalesce(orders.id, line.order_id) AS id, concat_ws('; ',
        CASE WHEN orders.id IS NULL THEN 'there is no such order: ' || line.sku || ' moved for it' END,
        CASE WHEN line.sku IS NULL THEN format('is %s and has no movements', orders.status) END,
        CASE WHEN line.sales <> 1 THEN format('%s sales of %s', line.sales, line.sku) END,
        CASE WHEN line.sold <= 0 THEN format('a sale of %s units of %s', line.sold, line.sku) END,
        CASE WHEN line.others > 0 THEN format('%s movements of %s for other reasons', line.others, line.sku) END,
        CASE WHEN line.cancels <> (orders.status = 'cancelled')::int OR line.expiries <> (orders.status = 'expired')::int
            THEN format('is %s and has %s cancel and %s hold_expired movements of %s',
                        orders.status, line.cancels, line.expiries, line.sku) END,
        CASE WHEN line.returned <> line.sold
            THEN format('took %s units of %s and returned %s', line.sold, line.sku, line.returned) END) AS problem
    FROM orders FULL JOIN line ON line.order_id = orders.id
)
SELECT coalesce(id::text, 'none'), problem FROM compared WHERE problem <> ''
