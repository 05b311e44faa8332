-- How far the ledger has been read by those who follow it: the reconciler, and the relay of each event
-- stream. Whichever replica goes on next goes on from here.
--
-- The ledger itself is the outbox of the events: each change of a level is a row of movements, written in
-- the change's own transaction, so orders pay nothing for events. A SKU's rows come in the order of their
-- ids, for each is written with the SKU's row locked.
--
-- position: movements with ids up to it have been read. walked: the SKU that the reconciler's walk through
-- the stock has come to. read_at: when the reader last began.
-- A role other than the owner needs SELECT, INSERT and UPDATE.
-- +goose Up
CREATE TABLE ledger_readers (
    name     text        PRIMARY KEY,
    position bigint      NOT NULL,
    walked   text        NOT NULL DEFAULT '',
    read_at  timestamptz NOT NULL DEFAULT '-infinity'
)
WITH (fillfactor = 50);
