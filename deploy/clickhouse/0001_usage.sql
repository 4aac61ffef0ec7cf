-- Requests, their totals, and what providers billed.
--
-- Conventions of every table here:
--   * Times are UTC with microseconds. Absent text is '', absent numbers with a meaning are NULL.
--   * Money that is added up is Decimal with nine places, so that totals are exact.
--   * Tables replace by deterministic keys: a replay writes the same rows again, and FINAL
--     (or a v_… view) shows each once.
--   * Retention counts from `stored_at`, not from the event, so that recorded traffic of
--     years ago can be replayed into the store and stays. Only whole parts are dropped.

-- 13 months: a year to compare with, and the month in which one compares.
-- Of two rows with the same key and event the one that came first in the log wins,
-- as it does in detection.
CREATE TABLE IF NOT EXISTS usage_events
(
    event_id String,
    occurred_at DateTime64(6, 'UTC'),
    key_id String,
    source LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    operation LowCardinality(String),
    status UInt16 DEFAULT 200,
    error_type LowCardinality(String),
    input_tokens UInt64,
    output_tokens UInt64,
    cached_input_tokens UInt64,
    cache_write_tokens UInt64,
    reasoning_tokens UInt64,
    -- The gateway's figure, or the catalogue's; NULL when the model has no known price.
    cost_usd Nullable(Decimal(18, 9)),
    latency_ms Nullable(Float64),
    time_to_first_token_ms Nullable(Float64),
    stream Nullable(Bool),
    -- The address that trusted proxies leave; '' when there was none that can be read.
    client_ip String,
    user_agent LowCardinality(String),
    origin LowCardinality(String),
    end_user String,
    team LowCardinality(String),
    environment LowCardinality(String),
    tags Array(LowCardinality(String)),
    -- ISO 3166-1 alpha-2.
    country LowCardinality(String),
    -- 0: unknown.
    asn UInt32,
    network LowCardinality(String),
    -- hosting, cdn, vpn, tor, private.
    source_kind LowCardinality(String),
    priced Bool,
    -- Falls as the position in the log rises.
    precedence UInt64,
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (key_id, event_id)
TTL toDateTime(stored_at) + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1;

-- 37 months: three years of history to plan budgets with.
-- Totals are absolute; of two rows for a window the highest version is right.
CREATE TABLE IF NOT EXISTS spend_windows
(
    key_id String,
    -- 1m, 1h, 1d.
    granularity LowCardinality(String),
    window_start DateTime64(6, 'UTC'),
    spend_usd Decimal(38, 9),
    requests UInt64,
    errors UInt64,
    input_tokens UInt64,
    output_tokens UInt64,
    distinct_sources UInt64,
    -- Their spend is unknown and not in spend_usd.
    unpriced_requests UInt64,
    version UInt64,
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(window_start)
ORDER BY (key_id, granularity, window_start)
TTL toDateTime(stored_at) + INTERVAL 37 MONTH
SETTINGS ttl_only_drop_parts = 1;

-- 37 months. The record observed last replaces the others.
CREATE TABLE IF NOT EXISTS provider_usage
(
    provider LowCardinality(String),
    key_id String,
    provider_key_id String,
    model LowCardinality(String),
    window_start DateTime64(6, 'UTC'),
    window_end DateTime64(6, 'UTC'),
    requests Nullable(UInt64),
    input_tokens UInt64,
    cached_input_tokens UInt64,
    output_tokens UInt64,
    cost_usd Nullable(Decimal(18, 9)),
    observed_at DateTime64(6, 'UTC'),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(observed_at)
PARTITION BY toYear(window_start)
ORDER BY (provider, key_id, provider_key_id, model, window_start, window_end)
TTL toDateTime(stored_at) + INTERVAL 37 MONTH
SETTINGS ttl_only_drop_parts = 1;
