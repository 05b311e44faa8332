-- Locks the rows of a group's SKUs, in the lock order that all replicas share, and reads them.
-- $1 the SKUs
-- Returns SKU, level, version, guard and fence of those that exist.
--
-- The lock order is that of the SKUs' bytes. Single orders, cancels and sweeps keep it as well: transactions
-- that do so cannot deadlock with each other.
SELECT sku, on_hand, version, guard, fence
FROM stock WHERE sku = ANY ($1::text[]) ORDER BY sku COLLATE "C" FOR UPDATE
