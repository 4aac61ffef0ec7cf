-- Who was woken for what, the latest first, and what became of it: pages that are over, too.
-- since: 1970-01-01T00:00:00Z | from then on; a time, or an age such as 24h or 7d
WITH paged AS
(
    SELECT incident_id, min(detected_at) AS paged_at
    FROM v_incident_revisions
    WHERE severity = 'page'
    GROUP BY incident_id
    HAVING paged_at >= {since:DateTime64(6, 'UTC')}
)
SELECT
    p.incident_id AS incident_id,
    i.key_id AS key_id,
    i.team AS team,
    i.cause AS cause,
    p.paged_at AS paged_at,
    i.status AS status,
    i.spend_usd AS spend_usd,
    -- Billed, and seen by no gateway.
    i.unseen_usd AS unseen_usd
FROM paged AS p
INNER JOIN
(
    SELECT * FROM v_incidents WHERE incident_id IN (SELECT incident_id FROM paged)
) AS i ON i.incident_id = p.incident_id
ORDER BY paged_at DESC, incident_id
