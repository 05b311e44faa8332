-- An order's row and its movements are written by one statement, so that neither can be without the
-- other. To have each movement look for its order once more, as its foreign key does, costs a twentieth of
-- what can be sold on a hot SKU. What the key did besides is done by a trigger, where
-- it costs sales nothing: orders are not deleted, and keep their ids. orderd reconcile --check compares
-- the two tables.

-- +goose Up
ALTER TABLE movements DROP CONSTRAINT movements_order_id_fkey;

-- +goose StatementBegin
CREATE FUNCTION order_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'order % has movements: it cannot be deleted or given another id', OLD.id
        USING ERRCODE = 'foreign_key_violation';
END $$;
-- +goose StatementEnd

CREATE TRIGGER order_is_kept BEFORE DELETE OR UPDATE OF id ON orders
FOR EACH ROW EXECUTE FUNCTION order_is_kept();

-- +goose Down
DROP TRIGGER order_is_kept ON orders;
DROP FUNCTION order_is_kept();
ALTER TABLE movements ADD CONSTRAINT movements_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id) NOT VALID;
