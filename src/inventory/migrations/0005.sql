-- The key of the tags by which removed secrets are told apart.
CREATE TABLE tag_key (key TEXT NOT NULL CHECK (length(key) = 64)) STRICT;
INSERT INTO tag_key (key) VALUES (hex(randomblob(32)));

-- Waivers that ended until then have been told of in the daemon's log.
ALTER TABLE policy ADD COLUMN waivers_told_at INTEGER;
UPDATE policy SET waivers_told_at = unixepoch();

-- Since when history, and records of walks, are whole; null where none of them was removed yet. What was removed before this schema
-- was noted nowhere: of history the oldest line that is left tells, of walks nothing does.
CREATE TABLE history (whole_since INTEGER, walks_whole_since INTEGER) STRICT;
INSERT INTO history (whole_since, walks_whole_since)
SELECT min(at), iif(EXISTS (SELECT 1 FROM walk), unixepoch(), NULL) FROM change;
