-- Everything that happened with one incident, in order.
-- incident | the incident_id
SELECT at, what, detail, by
FROM
(
    SELECT
        detected_at AS at,
        concat('revision ', toString(revision), ': ', status, ', ', severity, ', ', cause) AS what,
        concat(
            '$', toString(round(toFloat64(spend_usd), 2)), ' so far',
            if(unseen_usd > 0, concat(', and $', toString(round(unseen_usd, 2)), ' past the gateway'), '')
        ) AS detail,
        '' AS by
    FROM v_incident_revisions
    WHERE incident_id = {incident:String}
    UNION ALL
    SELECT v.at, concat('verdict: ', v.verdict), v.note, v.by
    FROM v_verdicts AS v
    WHERE v.incident_id = {incident:String}
    UNION ALL
    SELECT requested_at, concat('action: ', kind), if(dry_run, 'dry run', gateway), requested_by
    FROM v_actions
    WHERE incident_id = {incident:String}
    UNION ALL
    SELECT r.at, concat('attempt ', toString(r.attempt), ': ', r.status), r.detail, ''
    FROM v_action_results AS r
    WHERE r.action_id IN (SELECT action_id FROM v_actions WHERE incident_id = {incident:String})
)
ORDER BY at, what
