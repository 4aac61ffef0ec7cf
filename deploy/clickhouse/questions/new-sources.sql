-- Networks that a key was first used from lately, though it was in use before; a range of addresses where no network is known.
-- since: 24h | lately: a time, or an age such as 24h or 7d
-- limit: 100 | rows
WITH seen AS
(
    SELECT
        key_id,
        asn,
        -- As detection has them: /24, or /48 of IPv6.
        if(asn = 0 AND e.network = '', concat(
            if(isIPv4String(client_ip),
                toString(IPv4CIDRToRange(toIPv4OrDefault(client_ip), 24).1),
                toString(IPv6CIDRToRange(toIPv6OrDefault(client_ip), 48).1)),
            if(isIPv4String(client_ip), '/24', '/48')), e.network) AS network,
        country,
        min(occurred_at) AS first_at,
        count() AS requests,
        countIf(NOT priced) AS unpriced_requests,
        sum(cost_usd) AS spend_usd,
        min(first_at) OVER (PARTITION BY key_id) AS key_first_at
    FROM v_usage_events AS e
    WHERE client_ip != ''
    GROUP BY key_id, asn, network, country
)
SELECT key_id, asn, network, country, first_at, requests, unpriced_requests, spend_usd
FROM seen
WHERE first_at >= {since:DateTime64(6, 'UTC')} AND key_first_at < {since:DateTime64(6, 'UTC')}
ORDER BY first_at DESC, key_id
LIMIT {limit:UInt32}
