-- What a question with a time reads.

-- FINAL over the whole table has to read every month before it can leave one out. A month by
-- itself is enough: an event that comes again comes with its time. (An id that came with times in
-- two months shows in both.)
CREATE OR REPLACE VIEW v_usage_events AS
SELECT * EXCEPT (precedence, stored_at) FROM usage_events FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;
