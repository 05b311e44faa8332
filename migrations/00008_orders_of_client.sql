-- A client's own orders, newest first, without a search among everybody's. Where clients are not told
-- apart there is nothing to find by them, and orders need no entry.
-- +goose Up
CREATE INDEX orders_client ON orders (client, id) WHERE client <> '';
