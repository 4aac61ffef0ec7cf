-- The keys that spent most in the last day that they were used, from the window totals.
-- limit: 20 | rows
SELECT
    key_id,
    window_start AS day,
    w.spend_usd AS spend_usd,
    w.requests AS requests,
    w.errors AS errors,
    w.distinct_sources AS distinct_sources
FROM v_spend_windows AS w
WHERE granularity = '1d'
ORDER BY day DESC, spend_usd DESC, key_id
LIMIT 1 BY key_id
LIMIT {limit:UInt32}
