-- What asking for a held key by its id gave. Numbers are those of the polls that asked.
ALTER TABLE held_key ADD COLUMN asked_poll  INTEGER;      -- the newest that did
ALTER TABLE held_key ADD COLUMN absent_poll INTEGER;      -- the one that proved it absent: the hold covers it no more
