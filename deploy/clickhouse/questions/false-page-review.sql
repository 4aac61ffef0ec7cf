-- Pages that somebody judged benign or expected, by the detectors that raised them.
SELECT
    detector,
    cause,
    uniqExact(i.incident_id) AS pages,
    uniqExactIf(i.incident_id, judged = 'false') AS judged_false,
    uniqExactIf(i.incident_id, judged = 'true') AS judged_true,
    uniqExactIf(i.incident_id, judged = '') AS not_judged,
    round(judged_false / nullIf(judged_false + judged_true, 0), 3) AS false_share
FROM
(
    -- The revision that paged: what was found afterwards woke nobody.
    SELECT
        incident_id,
        cause,
        arrayJoin(emptyArrayToSingle(JSONExtractArrayRaw(signals))) AS signal,
        JSONExtractString(signal, 'detector') AS detector
    FROM
    (
        SELECT incident_id, cause, signals
        FROM v_incident_revisions
        WHERE severity = 'page'
        ORDER BY revision
        LIMIT 1 BY incident_id
    )
) AS i
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
