-- Events that could not be folded. 13 months, as the events themselves; the payload is
-- base64 of a scrubbed record. `received_at` is part of the key because offsets start
-- again when a topic is made anew.
CREATE TABLE IF NOT EXISTS dead_letters
(
    topic LowCardinality(String),
    `partition` UInt32,
    `offset` UInt64,
    `index` UInt32,
    reason LowCardinality(String),
    detail String,
    received_at DateTime64(6, 'UTC'),
    payload String CODEC(ZSTD),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (topic, `partition`, `offset`, `index`, received_at)
TTL toDateTime(stored_at) + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1;
