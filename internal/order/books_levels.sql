-- Checks the levels against the ledger: SKUs whose row is not what their movements add up to, or is oversold.
-- Returns the SKU and what is wrong with it.
WITH ledger AS (
    SELECT sku, sum(delta) AS on_hand, max(version) AS version,
           -coalesce(sum(delta) FILTER (WHERE reason IN ('sale', 'cancel', 'hold_expired')), 0) AS sold
    FROM movements GROUP BY sku
),
compared AS (
    SELECT sku, concat_ws('; ',
        CASE WHEN stock.version IS NULL THEN 'has movements but no row in stock' END,
        CASE WHEN ledger.version IS NULL THEN 'has no movements' END,
        CASE WHEN stock.on_hand <> ledger.on_hand
            THEN format('on_hand is %s, its movements add up to %s', stock.on_hand, ledger.on_hand) END,
        CASE WHEN stock.sold <> ledger.sold
            THEN format('sold is %s, by its movements %s', stock.sold, ledger.sold) END,
        CASE WHEN stock.version <> ledger.version
            THEN format('version is %s, that of its last movement %s', stock.version, ledger.version) END,
        CASE WHEN stock.on_hand < 0 THEN format('oversold: on_hand is %s', stock.on_hand) END) AS problem
    FROM stock FULL JOIN ledger USING (sku)
)
SELECT sku, problem FROM compared WHERE problem <> ''
