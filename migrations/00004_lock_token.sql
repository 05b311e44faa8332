-- The fencing tokens of --lock-mode postgres: each lease takes the next one, once it holds its keys.
--
-- NO CYCLE and a cache of one are the defaults, and are needed: a session that kept numbers in
-- store would hand them out after larger ones.
-- A role other than the owner needs GRANT USAGE ON SEQUENCE orderd_lock_token.
-- +goose Up
CREATE SEQUENCE orderd_lock_token AS bigint NO CYCLE CACHE 1;
