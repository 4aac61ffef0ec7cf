-- Pages that somebody judged benign or expected, by what raised them.
SELECT
    detector,
    i.cause AS cause,
    uniqExact(i.incident_id) AS pages,
    uniqExactIf(i.incident_id, judged = 'false') AS judged_false,
    uniqExactIf(i.incident_id, judged = 'true') AS judged_true,
    uniqExactIf(i.incident_id, judged = '') AS not_judged,
    round(judged_false / nullIf(judged_false + judged_true, 0), 3) AS false_share
FROM
(
    SELECT incident_id, any(r.cause) AS cause
    FROM v_incident_revisions AS r
    WHERE severity = 'page'
    GROUP BY incident_id
) AS i
LEFT JOIN (SELECT DISTINCT incident_id, detector FROM v_signals) AS s ON s.incident_id = i.incident_id
LEFT JOIN
(
    SELECT
        incident_id,
        argMax(if(verdict = 'leak', 'true', 'false'), at) AS judged
    FROM v_verdicts
    WHERE verdict IN ('leak', 'benign', 'expected')
    GROUP BY incident_id
) AS j ON j.incident_id = i.incident_id
GROUP BY detector, cause
ORDER BY pages DESC, detector, cause
