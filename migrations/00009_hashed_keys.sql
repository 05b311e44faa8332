-- From here on a client's key for its order is kept as a hash: whoever reads the table, a dump or a
-- backup learns no key, and so cannot ask for what it placed, or find out whose key it is.
--
-- 'sha256 ' and the hash, in base64, of the client, a line end and the key, which orderd computes
-- (stock/key.go). No key that a client sends can look so: keys have no blanks.
--
-- The trigger does it for replicas of the version before, which send the key itself. They find no key any
-- more: a retry at one of them is refused by the index, and so answered 409 idempotency_in_flight (or
-- sold_out, which they look at first), until it reaches a replica of this version. It comes before the keys that are there are hashed, in a
-- migration of its own: none is written as it was behind the back of that one.
-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION hash_order_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.idempotency_key := 'sha256 ' || encode(sha256(convert_to(NEW.client || E'\n' || NEW.idempotency_key, 'UTF8')), 'base64');
    RETURN NEW;
END $$;
-- +goose StatementEnd

CREATE TRIGGER hash_order_key BEFORE INSERT ON orders
FOR EACH ROW WHEN (NEW.idempotency_key NOT LIKE 'sha256 %') EXECUTE FUNCTION hash_order_key();
