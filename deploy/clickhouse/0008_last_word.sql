-- Which of several records about the same is the last word, whenever they were inserted.

-- A person's request replaces the policy's under the same id: it is the later one. An insert that
-- timed out may still come to its end after both.
ALTER TABLE actions ADD COLUMN IF NOT EXISTS version UInt64, MODIFY ORDER BY (action_id, version);

CREATE OR REPLACE VIEW v_actions AS
SELECT * EXCEPT (version, stored_at) FROM actions
ORDER BY action_id, version DESC, stored_at DESC LIMIT 1 BY action_id;

-- An incident that comes out differently when the log is folded again may have fewer revisions than
-- before: what was told last counts.
CREATE OR REPLACE VIEW v_incidents AS
SELECT
    * EXCEPT (stored_at),
    arrayMax(arrayPushBack(arrayMap(
        each -> JSONExtractFloat(each, 'evidence', 'unseen_usd'), JSONExtractArrayRaw(signals)), 0.)) AS unseen_usd
FROM incidents ORDER BY incident_id, stored_at DESC, revision DESC LIMIT 1 BY incident_id;

-- What the intake refused and a gateway sends again is the same dead letter, whenever it came.
CREATE OR REPLACE VIEW v_dead_letters AS
SELECT * EXCEPT (stored_at) FROM dead_letters FINAL
ORDER BY received_at
LIMIT 1 BY topic, `partition`, `offset`, `index`, if(startsWith(topic, 'intake:'), toDateTime64(0, 6, 'UTC'), received_at);
