-- The incidents of a key are looked up, among those of all keys and years. Parts that are there already are
-- indexed in the background.
ALTER TABLE incidents ADD INDEX IF NOT EXISTS by_key key_id TYPE bloom_filter GRANULARITY 1;
ALTER TABLE incidents MATERIALIZE INDEX by_key;
