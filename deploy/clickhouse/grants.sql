-- Users with the least they need, for a ClickHouse server. An administrator runs this before `leakline init`,
-- which is run as one of them (rights need no table that is there already), and again after an upgrade.
-- Passwords come from a file that nobody else can read, since `ps` shows a command line to everybody, and
-- `query_log` statements. It has a line for each of admin, sink, reader and analyst:
--   SET param_admin_password = '…';
-- Then:
--   cat passwords.sql grants.sql | clickhouse-client --log_queries=0
-- The administrator's own password goes into ~/.clickhouse-client/config.xml, or CLICKHOUSE_PASSWORD.
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

-- `leakline query`, `explain` and the console: reads everything, also addresses, end users and refused records,
-- within limits that a query cannot lift (0 would).
CREATE SETTINGS PROFILE IF NOT EXISTS leakline_reading SETTINGS readonly = 2, max_execution_time = 60 MIN 1 MAX 60, max_memory_usage = 8000000000 MIN 1 MAX 8000000000;
CREATE USER IF NOT EXISTS leakline_reader IDENTIFIED WITH sha256_password BY {reader_password:String} SETTINGS PROFILE leakline_reading;
GRANT SELECT, SHOW ON leakline.* TO leakline_reader;

-- Analysts and Grafana: the same limits, no refused records, and of requests v_requests alone. Incidents name
-- ranges of addresses, verdicts and actions who answered.
CREATE USER IF NOT EXISTS leakline_analyst IDENTIFIED WITH sha256_password BY {analyst_password:String} SETTINGS PROFILE leakline_reading;
GRANT SELECT ON leakline.v_requests TO leakline_analyst;
GRANT SELECT ON leakline.spend_windows TO leakline_analyst;
GRANT SELECT ON leakline.v_spend_windows TO leakline_analyst;
GRANT SELECT ON leakline.provider_usage TO leakline_analyst;
GRANT SELECT ON leakline.v_provider_usage TO leakline_analyst;
GRANT SELECT ON leakline.incidents TO leakline_analyst;
GRANT SELECT ON leakline.v_incidents TO leakline_analyst;
GRANT SELECT ON leakline.v_incident_revisions TO leakline_analyst;
GRANT SELECT ON leakline.v_signals TO leakline_analyst;
GRANT SELECT ON leakline.verdicts TO leakline_analyst;
GRANT SELECT ON leakline.v_verdicts TO leakline_analyst;
GRANT SELECT ON leakline.actions TO leakline_analyst;
GRANT SELECT ON leakline.v_actions TO leakline_analyst;
GRANT SELECT ON leakline.action_results TO leakline_analyst;
GRANT SELECT ON leakline.v_action_results TO leakline_analyst;
