-- What each model cost, and who used it first.
-- since: 1970-01-01T00:00:00Z | from then on; a time, or an age such as 24h or 7d
SELECT
    provider,
    model,
    sum(cost_usd) AS spend_usd,
    count() AS requests,
    countIf(NOT priced) AS unpriced_requests,
    sum(e.input_tokens) AS input_tokens,
    sum(e.output_tokens) AS output_tokens,
    uniqExact(key_id) AS keys,
    argMin(key_id, occurred_at) AS first_key,
    min(occurred_at) AS first_at
FROM v_usage_events AS e
WHERE occurred_at >= {since:DateTime64(6, 'UTC')}
GROUP BY provider, model
ORDER BY spend_usd DESC, provider, model
