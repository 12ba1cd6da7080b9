-- What every settling asks of history, without reading all of it.
CREATE INDEX change_became_missing ON change (at) WHERE change = 'became_missing';
CREATE INDEX hold_by_scope ON hold (scope_id) WHERE scope_id IS NOT NULL;

-- Keys of a member's list that are bound to another organisation: left out, and counted.
ALTER TABLE walk ADD COLUMN other_organization INTEGER NOT NULL DEFAULT 0;

-- Of a held list, its newest complete walk when a poll last settled: what the hold says was lost, a person can look at.
ALTER TABLE hold ADD COLUMN shown_walk INTEGER;
