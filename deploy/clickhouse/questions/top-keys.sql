-- The keys that spent most, each in the last day that it was used, from the window totals.
-- limit: 20 | rows
SELECT
    key_id,
    w.window_start AS day,
    w.spend_usd AS spend_usd,
    w.requests AS requests,
    w.unpriced_requests AS unpriced_requests,
    w.errors AS errors,
    w.distinct_sources AS distinct_sources
FROM
(
    SELECT * FROM v_spend_windows WHERE granularity = '1d' ORDER BY window_start DESC LIMIT 1 BY key_id
) AS w
ORDER BY spend_usd DESC, key_id
LIMIT {limit:UInt32}
