-- One row for each order. Its lines are its 'sale' rows in movements.
--
-- (client, idempotency_key) is unique: an order and its key are written in one transaction, so a
-- retry finds either both or neither. NULL keys do not collide. request_hash tells a retry from
-- another request that reuses the key.
-- id is a UUID version 7: newer orders sort after older ones.
-- +goose Up
CREATE TABLE orders (
    id              uuid        PRIMARY KEY,
    client          text        NOT NULL DEFAULT '',
    idempotency_key text,
    request_hash    bytea,
    status          text        NOT NULL CHECK (status IN ('confirmed')),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (client, idempotency_key)
);
