-- The ledger: one row for each change of stock.on_hand, never changed or deleted.
--
-- on_hand and version are those after the change, so stock.on_hand = sum(delta) and each version
-- of a SKU appears once. token is the lease's fencing token (0 where the lock mode has none),
-- replica the process that wrote the row.
-- +goose Up
CREATE TABLE movements (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku      text        NOT NULL REFERENCES stock (sku),
    delta    bigint      NOT NULL,
    reason   text        NOT NULL,
    order_id uuid        REFERENCES orders (id),
    on_hand  bigint      NOT NULL,
    version  bigint      NOT NULL,
    token    bigint      NOT NULL DEFAULT 0,
    replica  text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (sku, version),
    CONSTRAINT movements_sale_has_order CHECK (reason <> 'sale' OR order_id IS NOT NULL)
);
CREATE INDEX movements_order_id ON movements (order_id) WHERE order_id IS NOT NULL;
