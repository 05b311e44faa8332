-- Hashes the keys that are there as 00009_hashed_keys.sql says, some thousand orders in each transaction:
-- nobody who cancels or confirms one waits long. It may be stopped, and run again.
-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
DO $$
DECLARE
    page uuid[];
    last uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    LOOP
        page := ARRAY(SELECT id FROM orders WHERE id > last ORDER BY id LIMIT 5000);
        UPDATE orders
        SET idempotency_key = 'sha256 ' || encode(sha256(convert_to(client || E'\n' || idempotency_key, 'UTF8')), 'base64')
        WHERE id = ANY (page) AND idempotency_key NOT LIKE 'sha256 %';
        COMMIT;
        EXIT WHEN cardinality(page) < 5000; -- those that come meanwhile are hashed already
        last := page[cardinality(page)];
    END LOOP;
END $$;
-- +goose StatementEnd
