-- What orderd serve may do, as a member of the role orderd_service: read all, sell and be stocked, and
-- never take back what was written. It cannot drop or make anything, delete a row, change a movement, or
-- weaken a SKU's guard.
--
-- It is run after the migrations, each time, by the role that owns the tables: it takes back what an
-- earlier version granted, and a new table needs a line here and nothing else. The role has no password
-- and no login; whoever may make roles gives it members (deploy/postgres-roles.sql). Where this role may
-- not be made by the one that migrates, and nobody else has made it, all is left as it is.
DO $$
DECLARE
    rights record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('orderd roles', 0)); -- one at a time in this database
    IF to_regrole('orderd_service') IS NULL THEN
        BEGIN
            CREATE ROLE orderd_service NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL; -- made from another database just now
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'there is no role orderd_service, and % may not make it', current_user;
                RETURN;
        END;
    END IF;
    BEGIN
        -- Before Postgres 15 everybody could make tables where the others' are looked for.
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
    EXCEPTION WHEN insufficient_privilege THEN NULL; -- it is somebody else's, and theirs to decide
    END;
    -- On its own tables alone: others' may be in the schema, such as an extension's views.
    FOR rights IN
        SELECT c.oid::regclass AS name FROM pg_class AS c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
          AND pg_has_role(c.relowner, 'USAGE')
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM orderd_service', rights.name);
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO orderd_service', current_schema());
    FOR rights IN
        SELECT * FROM (VALUES
            ('stock', 'SELECT, INSERT, UPDATE (on_hand, sold, version, fence, updated_at)'),
            ('orders', 'SELECT, INSERT, UPDATE (status, updated_at)'),
            ('movements', 'SELECT, INSERT'),
            ('adjustments', 'SELECT, INSERT'),
            ('ledger_readers', 'SELECT, INSERT, UPDATE')
        ) AS t (name, granted)
    LOOP
        IF to_regclass(rights.name) IS NOT NULL THEN
            EXECUTE format('GRANT %s ON TABLE %I TO orderd_service', rights.granted, rights.name);
        END IF;
    END LOOP;
    GRANT USAGE ON SEQUENCE orderd_lock_token TO orderd_service;
END $$
