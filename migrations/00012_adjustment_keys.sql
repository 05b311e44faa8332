-- The keys of adjustments: one row for each that was asked for with an Idempotency-Key, written in its
-- transaction, so that who asks again is answered as the first time and nothing is put on the shelf twice.
--
-- key is the client's, hashed as those of orders are (00009_hashed_keys.sql); request_hash tells a
-- retry from another adjustment with the same key. (sku, version) is the movement that was made, which has
-- the level; sold is the SKU's as of then.
-- A replica of the version before takes no notice of the header, as ever.
-- +goose Up
CREATE TABLE adjustments (
    key          text   PRIMARY KEY,
    request_hash bytea  NOT NULL,
    sku          text   NOT NULL,
    version      bigint NOT NULL,
    sold         bigint NOT NULL,
    FOREIGN KEY (sku, version) REFERENCES movements (sku, version)
);
