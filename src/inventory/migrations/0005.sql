-- The key of the tags by which removed secrets are told apart.
CREATE TABLE tag_key (key TEXT NOT NULL CHECK (length(key) = 64)) STRICT;
INSERT INTO tag_key (key) VALUES (hex(randomblob(32)));

-- Waivers that ended until then have been told of in the daemon's log.
ALTER TABLE policy ADD COLUMN waivers_told_at INTEGER;
UPDATE policy SET waivers_told_at = computed_at;

-- Since when history is whole; null where none of it was removed yet. What was removed before this schema was noted nowhere.
CREATE TABLE history (whole_since INTEGER) STRICT;
INSERT INTO history (whole_since) SELECT min(at) FROM change;
