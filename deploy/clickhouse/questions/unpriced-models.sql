-- Models without a known price: their requests are counted, their spend is unknown.
SELECT
    provider,
    model,
    count() AS requests,
    sum(e.input_tokens) AS input_tokens,
    sum(e.output_tokens) AS output_tokens,
    uniqExact(key_id) AS keys,
    max(occurred_at) AS last_at
FROM v_usage_events AS e
WHERE NOT priced
GROUP BY provider, model
ORDER BY requests DESC, provider, model
