-- When the log took an event. Offsets begin again when a topic is made anew; with its time an event
-- that an earlier log had is told from one that the log still has. Of what was stored before, the
-- time at which it was stored comes nearest.
ALTER TABLE usage_events ADD COLUMN IF NOT EXISTS appended_at DateTime64(6, 'UTC') DEFAULT stored_at;

CREATE OR REPLACE VIEW v_usage_events AS
SELECT * EXCEPT (precedence, appended_at, stored_at) FROM usage_events FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;
