-- What each key spent, the most expensive first; the team is that of its last request.
-- since: 1970-01-01T00:00:00Z | from then on; a time, or an age such as 24h or 7d
-- until: 2100-01-01T00:00:00Z | before then
-- limit: 50 | rows
SELECT
    key_id,
    argMax(team, (occurred_at, event_id)) AS team,
    sum(cost_usd) AS spend_usd,
    count() AS requests,
    countIf(status >= 400) AS errors,
    countIf(NOT priced) AS unpriced_requests,
    uniqExactIf(client_ip, client_ip != '') AS addresses,
    min(occurred_at) AS first_at,
    max(occurred_at) AS last_at
FROM v_usage_events
WHERE occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
GROUP BY key_id
ORDER BY spend_usd DESC, key_id
LIMIT {limit:UInt32}
