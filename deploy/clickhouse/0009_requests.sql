-- Requests without what is about the people behind them, for analysts who may not read the table. It reads
-- with the rights of whoever runs the migration, so that its readers need none.
CREATE OR REPLACE VIEW v_requests DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    event_id, occurred_at, key_id, source, provider, model, operation, status,
    input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, cost_usd,
    latency_ms, time_to_first_token_ms, stream, team, environment, country, asn, network, source_kind, priced
FROM usage_events FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;
