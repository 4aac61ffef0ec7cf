-- Networks that a key was first used from lately, though it was in use before.
-- since: 24h | lately: a time, or an age such as 24h or 7d
-- limit: 100 | rows
WITH seen AS
(
    SELECT
        key_id,
        asn,
        network,
        country,
        min(occurred_at) AS first_at,
        count() AS requests,
        sum(cost_usd) AS spend_usd,
        min(first_at) OVER (PARTITION BY key_id) AS key_first_at
    FROM v_usage_events
    WHERE client_ip != ''
    GROUP BY key_id, asn, network, country
)
SELECT key_id, asn, network, country, first_at, requests, spend_usd
FROM seen
WHERE first_at >= {since:DateTime64(6, 'UTC')} AND key_first_at < {since:DateTime64(6, 'UTC')}
ORDER BY first_at DESC, key_id
LIMIT {limit:UInt32}
