-- The two users of a shop's database: one that owns the tables and migrates, and one that serves. Run it
-- as a superuser in the shop's database, before the first `orderd migrate`, and again in a database that
-- is made to restore a dump into. It may be run again at any time, and sets the passwords:
--
--   OWNER_PASSWORD=... SERVICE_PASSWORD=... PGPASSWORD=... psql -h HOST -U SUPERUSER -d SHOP -f postgres-roles.sql
--
-- The passwords come from the environment: arguments can be read by everybody on the machine. Without one
-- it stops, at a division by zero: roles belong to all databases of a server, and an empty password would
-- lock out the replicas of the shop that is running.
--
-- Then `orderd migrate` connects as orderd_owner, and `orderd serve` as orderd_app. What orderd_app may do
-- is what orderd_service may: migrations/roles/service.sql says it, and every `orderd migrate` applies it.
\set ON_ERROR_STOP on
\set owner_password `printf %s "$OWNER_PASSWORD"`
\set service_password `printf %s "$SERVICE_PASSWORD"`

SELECT 1 / length(:'owner_password'), 1 / length(:'service_password');
DO $$ BEGIN
    IF to_regrole('orderd_service') IS NULL THEN CREATE ROLE orderd_service NOLOGIN; END IF;
    IF to_regrole('orderd_owner') IS NULL THEN CREATE ROLE orderd_owner; END IF;
    IF to_regrole('orderd_app') IS NULL THEN CREATE ROLE orderd_app IN ROLE orderd_service; END IF;
END $$;
ALTER ROLE orderd_owner LOGIN PASSWORD :'owner_password' CONNECTION LIMIT 10;
-- A replica has 16 connections, and 10 more with --lock-mode postgres.
ALTER ROLE orderd_app LOGIN PASSWORD :'service_password' CONNECTION LIMIT 150;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
-- What anybody may make otherwise: temporary tables, and large objects, which stay.
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO orderd_owner;
GRANT USAGE ON SCHEMA public TO orderd_service;
ALTER ROLE orderd_app SET search_path = public;
-- orderd sets shorter ones itself; these are for whoever else uses its password.
ALTER ROLE orderd_app SET statement_timeout = '10s';
ALTER ROLE orderd_app SET idle_in_transaction_session_timeout = '10s';
