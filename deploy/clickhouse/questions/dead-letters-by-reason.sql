-- Why events were refused, and the latest of each kind.
-- since: 1970-01-01T00:00:00Z | from then on; a time, or an age such as 24h or 7d
SELECT
    reason,
    topic,
    count() AS letters,
    min(received_at) AS first_at,
    max(received_at) AS last_at,
    argMax(d.detail, received_at) AS last_detail,
    argMax(d.offset, received_at) AS last_offset
FROM v_dead_letters AS d
WHERE received_at >= {since:DateTime64(6, 'UTC')}
GROUP BY reason, topic
ORDER BY letters DESC, reason, topic
