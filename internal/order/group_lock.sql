-- Locks the rows of a group's SKUs, in an order that all replicas share, and reads them.
-- $1 the SKUs
-- Answers SKU, level, version, guard and fence of those that exist.
--
-- The order is that of the bytes, in which orders by themselves take their rows, and cancels and
-- sweeps, too: no two transactions that do so can wait for each other in a circle.
SELECT sku, on_hand, version, guard, fence
FROM stock WHERE sku = ANY ($1::text[]) ORDER BY sku COLLATE "C" FOR UPDATE
