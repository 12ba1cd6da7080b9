-- Of a list of people or projects, its newest complete walk when a poll last settled: what it lost behind that one nobody has judged.
-- Null where none settled since this schema; what a person acknowledged before it was judged.
ALTER TABLE scope ADD COLUMN judged_walk INTEGER;
UPDATE scope SET judged_walk = complete_walk
 WHERE EXISTS (SELECT 1 FROM hold AS h WHERE h.scope_id = scope.id AND h.ended_at IS NOT NULL AND h.walk_id = scope.complete_walk);
-- What it was for, that says.
ALTER TABLE hold DROP COLUMN shown_walk;
