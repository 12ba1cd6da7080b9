-- What asking for a held key by its id gave. Numbers are those of the polls that asked.
ALTER TABLE held_key ADD COLUMN asked_poll  INTEGER;      -- the newest that did
ALTER TABLE held_key ADD COLUMN absent_poll INTEGER;      -- the one that proved it absent: the hold covers it no more

-- Named as a member by groups alone, when people and groups were last read whole.
ALTER TABLE person ADD COLUMN by_group INTEGER NOT NULL DEFAULT 0 CHECK (by_group IN (0, 1));
