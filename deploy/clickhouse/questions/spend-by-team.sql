-- What each team spent, as the gateway named it with each request, the most expensive first.
-- since: 1970-01-01T00:00:00Z | from then on; a time, or an age such as 24h or 7d
-- until: 2100-01-01T00:00:00Z | before then
SELECT
    team,
    environment,
    sum(cost_usd) AS spend_usd,
    uniqExact(key_id) AS keys,
    count() AS requests,
    countIf(NOT priced) AS unpriced_requests
FROM v_usage_events
WHERE occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
GROUP BY team, environment
ORDER BY spend_usd DESC, team, environment
