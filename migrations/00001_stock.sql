-- How many units of each SKU are left. This table is the truth; Redis holds a copy.
--
-- version grows by one with every change of on_hand. received is not stored:
-- it is on_hand + sold, always.
-- guard says what stands between a sale and on_hand < 0:
--   predicate  the sale's UPDATE needs on_hand >= quantity (and the CHECK below backs it)
--   fence      the sale needs fence <= the lease's token, and keeps the token
--   claim      the token is put into fence on entry, before the stock is looked at, and the
--              sale needs fence = token
--   none       nothing: only the lock
-- +goose Up
CREATE TABLE stock (
    sku        text        PRIMARY KEY CHECK (sku ~ '^[A-Za-z0-9._-]{1,64}$'),
    on_hand    bigint      NOT NULL,
    sold       bigint      NOT NULL DEFAULT 0,
    version    bigint      NOT NULL DEFAULT 1,
    fence      bigint      NOT NULL DEFAULT 0,
    guard      text        NOT NULL DEFAULT 'predicate'
               CHECK (guard IN ('predicate', 'fence', 'claim', 'none')),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stock_not_oversold CHECK (on_hand >= 0 OR guard <> 'predicate')
)
-- A hot SKU is updated in place thousands of times a second: free room on its page lets Postgres
-- reuse it (HOT) without touching the index.
WITH (fillfactor = 50);
