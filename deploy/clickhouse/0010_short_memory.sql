-- Who was erased is named by the statement that did it, and a table remembers its last hundred. It
-- remembers one from now on, so that the next, which names nobody, makes it forget.
ALTER TABLE usage_events MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE spend_windows MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE provider_usage MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE incidents MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE verdicts MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE actions MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE action_results MODIFY SETTING finished_mutations_to_keep = 1;
ALTER TABLE dead_letters MODIFY SETTING finished_mutations_to_keep = 1;
