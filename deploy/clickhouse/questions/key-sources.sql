-- From where one key was used: address, network and country.
-- key | the key_id
-- since: 1970-01-01T00:00:00Z | from then on; a time, or an age such as 24h or 7d
SELECT
    client_ip,
    country,
    asn,
    network,
    source_kind,
    count() AS requests,
    countIf(NOT priced) AS unpriced_requests,
    sum(cost_usd) AS spend_usd,
    min(occurred_at) AS first_at,
    max(occurred_at) AS last_at,
    topK(3)(user_agent) AS user_agents
FROM v_usage_events
WHERE key_id = {key:String} AND occurred_at >= {since:DateTime64(6, 'UTC')}
GROUP BY client_ip, country, asn, network, source_kind
ORDER BY requests DESC, client_ip
LIMIT 200
