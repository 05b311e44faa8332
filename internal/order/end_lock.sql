-- Locks the rows of the SKUs that orders were sold from, in the order that sales share.
-- $1 order ids
--
-- It is the order of the bytes: no two transactions that keep it can wait for each other in a circle. A
-- group that is written as it was foreseen does not keep it, and gives way.
SELECT sku FROM stock
WHERE sku IN (SELECT sku FROM movements WHERE order_id = ANY ($1::uuid[]) AND reason = 'sale')
ORDER BY sku COLLATE "C" FOR UPDATE
