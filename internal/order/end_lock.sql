-- Locks the rows of the SKUs that orders took units of, in the lock order that sales use.
-- $1 order ids
--
-- The lock order is that of the SKUs' bytes: transactions that keep it cannot deadlock with each other. An
-- optimistic group does not keep it, and times out before a deadlock is detected.
SELECT sku FROM stock
WHERE sku IN (SELECT sku FROM movements WHERE order_id = ANY ($1::uuid[]) AND reason = 'sale')
ORDER BY sku COLLATE "C" FOR UPDATE
