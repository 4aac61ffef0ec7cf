-- One key's hours, from the window totals.
-- key | the key_id
-- since: 1970-01-01T00:00:00Z | from then on; a time, or an age such as 24h or 7d
SELECT
    window_start AS hour,
    spend_usd,
    requests,
    unpriced_requests,
    errors,
    input_tokens,
    output_tokens,
    distinct_sources
FROM v_spend_windows
WHERE key_id = {key:String} AND granularity = '1h' AND window_start >= {since:DateTime64(6, 'UTC')}
ORDER BY hour
