-- From the first evidence of an incident to the revocation of its key, in seconds: verified, or done, if nobody could check.
WITH contained AS
(
    SELECT a.incident_id AS incident_id, r.status AS revocation, r.at AS contained_at
    FROM v_actions AS a
    INNER JOIN v_action_results AS r ON r.action_id = a.action_id
    WHERE a.kind = 'revoke' AND NOT a.dry_run AND r.status IN ('done', 'verified')
    ORDER BY r.status = 'verified' DESC, r.at
    LIMIT 1 BY a.incident_id
),
paged AS
(
    SELECT incident_id, toNullable(min(detected_at)) AS paged_at
    FROM v_incident_revisions
    WHERE severity = 'page'
    GROUP BY incident_id
)
SELECT
    i.incident_id AS incident_id,
    i.key_id AS key_id,
    i.cause AS cause,
    i.opened_at AS opened_at,
    c.revocation AS revocation,
    dateDiff('millisecond', i.opened_at, c.contained_at) / 1000 AS opened_to_contained_seconds,
    -- NULL: nobody was paged, or only when the key was revoked already.
    dateDiff('millisecond', i.opened_at, p.paged_at) / 1000 AS opened_to_page_seconds,
    if(c.contained_at < p.paged_at, NULL,
        dateDiff('millisecond', p.paged_at, c.contained_at) / 1000) AS page_to_contained_seconds,
    i.spend_usd AS spend_usd,
    -- Billed, and seen by no gateway.
    i.unseen_usd AS unseen_usd
FROM v_incidents AS i
INNER JOIN contained AS c ON c.incident_id = i.incident_id
LEFT JOIN paged AS p ON p.incident_id = i.incident_id
ORDER BY opened_at DESC, incident_id
