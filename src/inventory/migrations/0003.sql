-- What every settling asks of history, without reading all of it.
CREATE INDEX change_became_missing ON change (at) WHERE change = 'became_missing';
CREATE INDEX hold_by_scope ON hold (scope_id) WHERE scope_id IS NOT NULL;
