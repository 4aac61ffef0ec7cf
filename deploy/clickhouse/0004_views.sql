-- Each record once, without FINAL in the query.

CREATE OR REPLACE VIEW v_usage_events AS
SELECT * EXCEPT (precedence, stored_at) FROM usage_events FINAL;

CREATE OR REPLACE VIEW v_spend_windows AS
SELECT * EXCEPT (stored_at) FROM spend_windows FINAL;

CREATE OR REPLACE VIEW v_provider_usage AS
SELECT * EXCEPT (stored_at) FROM provider_usage FINAL;

-- The latest revision of each incident.
CREATE OR REPLACE VIEW v_incidents AS
SELECT * EXCEPT (stored_at) FROM incidents ORDER BY incident_id, revision DESC LIMIT 1 BY incident_id;

-- Every revision, for timelines.
CREATE OR REPLACE VIEW v_incident_revisions AS
SELECT * EXCEPT (stored_at) FROM incidents FINAL;

-- The reasons behind the latest revision of each incident, one a row.
CREATE OR REPLACE VIEW v_signals AS
SELECT
    incident_id,
    revision,
    key_id,
    JSONExtractString(signal, 'detector') AS detector,
    JSONExtractFloat(signal, 'score') AS score,
    JSONExtractFloat(signal, 'p_value') AS p_value,
    parseDateTime64BestEffort(JSONExtractString(signal, 'window_start'), 6, 'UTC') AS window_start,
    parseDateTime64BestEffort(JSONExtractString(signal, 'window_end'), 6, 'UTC') AS window_end,
    JSONExtractString(signal, 'summary') AS summary,
    JSONExtractRaw(signal, 'evidence') AS evidence
FROM v_incidents
ARRAY JOIN JSONExtractArrayRaw(signals) AS signal;

CREATE OR REPLACE VIEW v_verdicts AS
SELECT * EXCEPT (stored_at) FROM verdicts FINAL;

CREATE OR REPLACE VIEW v_actions AS
SELECT * EXCEPT (stored_at) FROM actions FINAL;

CREATE OR REPLACE VIEW v_action_results AS
SELECT * EXCEPT (stored_at) FROM action_results FINAL;

CREATE OR REPLACE VIEW v_dead_letters AS
SELECT * EXCEPT (stored_at) FROM dead_letters FINAL;
