-- What was asked of gateways, and what came of it.
-- limit: 100 | rows
SELECT
    a.action_id AS action_id,
    a.requested_at AS requested_at,
    a.kind AS kind,
    a.key_id AS key_id,
    a.gateway AS gateway,
    a.requested_by AS requested_by,
    a.dry_run AS dry_run,
    r.status AS outcome,
    r.attempt AS attempts,
    r.http_status AS http_status,
    r.detail AS detail,
    if(r.status = '', NULL, r.at) AS finished_at
FROM v_actions AS a
LEFT JOIN
(
    SELECT * FROM v_action_results ORDER BY action_id, attempt DESC, at DESC LIMIT 1 BY action_id
) AS r ON r.action_id = a.action_id
ORDER BY requested_at DESC, action_id
LIMIT {limit:UInt32}
