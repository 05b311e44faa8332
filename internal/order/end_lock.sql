-- Locks the rows of the SKUs that orders were sold from, in the order that all sales share.
-- $1 order ids
--
-- It is the order of the bytes: no two transactions can wait for each other in a circle.
SELECT sku FROM stock
WHERE sku IN (SELECT sku FROM movements WHERE order_id = ANY ($1::uuid[]) AND reason = 'sale')
ORDER BY sku COLLATE "C" FOR UPDATE
