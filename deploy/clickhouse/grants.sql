-- Users with the least they need, for a ClickHouse server. An administrator runs this once, before
-- `leakline init`, which is run as one of them (rights need no table that is there already), with real
-- passwords in place of the query parameters:
--   clickhouse-client --param_sink_password=… --param_reader_password=… --param_admin_password=… --queries-file grants.sql
-- It assumes the database `leakline`. The embedded store has no users and does not read it.

-- Runs `leakline init`: creates and migrates, and writes no records (a view needs SELECT on what it shows).
CREATE USER IF NOT EXISTS leakline_admin IDENTIFIED WITH sha256_password BY {admin_password:String};
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP VIEW, ALTER TABLE, ALTER VIEW, SHOW, SELECT ON leakline.* TO leakline_admin;
GRANT INSERT ON leakline.schema_migrations TO leakline_admin;

-- Runs the sink: appends. It can neither change nor delete what is stored.
CREATE USER IF NOT EXISTS leakline_sink IDENTIFIED WITH sha256_password BY {sink_password:String};
GRANT SHOW COLUMNS ON leakline.* TO leakline_sink;
GRANT SELECT ON leakline.schema_migrations TO leakline_sink;
GRANT INSERT ON leakline.usage_events TO leakline_sink;
GRANT INSERT ON leakline.spend_windows TO leakline_sink;
GRANT INSERT ON leakline.provider_usage TO leakline_sink;
GRANT INSERT ON leakline.incidents TO leakline_sink;
GRANT INSERT ON leakline.verdicts TO leakline_sink;
GRANT INSERT ON leakline.actions TO leakline_sink;
GRANT INSERT ON leakline.action_results TO leakline_sink;
GRANT INSERT ON leakline.dead_letters TO leakline_sink;

-- Analysts, Grafana, `leakline query` and the console: reads, within limits that a query cannot lift (0 would).
CREATE SETTINGS PROFILE IF NOT EXISTS leakline_reading SETTINGS readonly = 2, max_execution_time = 60 MIN 1 MAX 60, max_memory_usage = 8000000000 MIN 1 MAX 8000000000;
CREATE USER IF NOT EXISTS leakline_reader IDENTIFIED WITH sha256_password BY {reader_password:String} SETTINGS PROFILE leakline_reading;
GRANT SELECT, SHOW ON leakline.* TO leakline_reader;
