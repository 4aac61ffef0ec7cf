-- Money that was billed and that no gateway saw, so that spend_usd lacks it: of the signals of a
-- revision, what the one says that says most. It is worked out, so that old revisions have it, too.

CREATE OR REPLACE VIEW v_incidents AS
SELECT
    * EXCEPT (stored_at),
    arrayMax(arrayPushBack(arrayMap(
        each -> JSONExtractFloat(each, 'evidence', 'unseen_usd'), JSONExtractArrayRaw(signals)), 0.)) AS unseen_usd
FROM incidents ORDER BY incident_id, revision DESC LIMIT 1 BY incident_id;

CREATE OR REPLACE VIEW v_incident_revisions AS
SELECT
    * EXCEPT (stored_at),
    arrayMax(arrayPushBack(arrayMap(
        each -> JSONExtractFloat(each, 'evidence', 'unseen_usd'), JSONExtractArrayRaw(signals)), 0.)) AS unseen_usd
FROM incidents FINAL;
