-- What is open now, the most urgent first.
SELECT
    incident_id,
    severity,
    cause,
    key_id,
    team,
    risk,
    opened_at,
    detected_at,
    spend_usd,
    -- Billed, and seen by no gateway.
    unseen_usd,
    burn_usd_per_hour
FROM v_incidents
WHERE incident_id IN
(
    -- Found out first: the rest of a row is large, and most are over.
    SELECT incident_id FROM v_incidents WHERE status = 'open'
)
ORDER BY indexOf(['page', 'ticket', 'info'], severity), burn_usd_per_hour DESC, incident_id
