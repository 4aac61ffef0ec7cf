-- What was concluded, said and done. This is the audit trail: it is small and has no TTL.

-- Every revision of every incident.
CREATE TABLE IF NOT EXISTS incidents
(
    incident_id String,
    revision UInt32,
    key_id String,
    team LowCardinality(String),
    environment LowCardinality(String),
    status LowCardinality(String),
    severity LowCardinality(String),
    cause LowCardinality(String),
    runner_up LowCardinality(String),
    risk Float64,
    opened_at DateTime64(6, 'UTC'),
    detected_at DateTime64(6, 'UTC'),
    spend_usd Decimal(38, 9),
    -- Estimates, which nobody adds up.
    baseline_usd Float64,
    burn_usd_per_hour Float64,
    -- A JSON list; v_signals has it as rows.
    signals String,
    learning Bool,
    schema_version UInt16,
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (incident_id, revision);

CREATE TABLE IF NOT EXISTS verdicts
(
    incident_id String,
    key_id String,
    verdict LowCardinality(String),
    until Nullable(DateTime64(6, 'UTC')),
    `by` String,
    at DateTime64(6, 'UTC'),
    note String,
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (incident_id, at, verdict, `by`);

CREATE TABLE IF NOT EXISTS actions
(
    action_id String,
    incident_id String,
    key_id String,
    kind LowCardinality(String),
    gateway LowCardinality(String),
    requested_by String,
    requested_at DateTime64(6, 'UTC'),
    not_before Nullable(DateTime64(6, 'UTC')),
    dry_run Bool,
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY action_id;

CREATE TABLE IF NOT EXISTS action_results
(
    action_id String,
    attempt UInt32,
    status LowCardinality(String),
    http_status Nullable(UInt16),
    detail String,
    at DateTime64(6, 'UTC'),
    incident_id String,
    key_id String,
    kind LowCardinality(String),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (action_id, attempt, status);
