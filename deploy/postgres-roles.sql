-- The two users of a shop's database: one that owns the tables and migrates, and one that serves. Run it
-- once, as a superuser, in the shop's database, before the first `orderd migrate`:
--
--   OWNER_PASSWORD=... SERVICE_PASSWORD=... psql "$ADMIN_URL" -f postgres-roles.sql
--
-- The passwords come from the environment: arguments can be read by everybody on the machine.
--
-- Then `orderd migrate` connects as orderd_owner, and `orderd serve` as orderd_app. What orderd_app may do
-- is what orderd_service may: migrations/roles/service.sql says it, and every `orderd migrate` applies it.
\set ON_ERROR_STOP on
\set owner_password `printf %s "$OWNER_PASSWORD"`
\set service_password `printf %s "$SERVICE_PASSWORD"`

CREATE ROLE orderd_service NOLOGIN;
CREATE ROLE orderd_owner LOGIN PASSWORD :'owner_password' CONNECTION LIMIT 10;
-- A replica has 16 connections, and 10 more with --lock-mode postgres.
CREATE ROLE orderd_app LOGIN PASSWORD :'service_password' CONNECTION LIMIT 150 IN ROLE orderd_service;

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
