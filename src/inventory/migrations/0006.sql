-- What the webhook has told. No row while there is no webhook: what is there already when one comes is not told.
CREATE TABLE webhook (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    told_change INTEGER NOT NULL,                         -- history up to that line was told, or was there before
    looked_at   INTEGER NOT NULL                          -- the latest instant as of which something was noted
) STRICT;

-- The conditions that a key was told to be in, or was in before; no row for none.
CREATE TABLE told_finding (
    key_id     INTEGER PRIMARY KEY REFERENCES key (id),
    conditions TEXT    NOT NULL
) STRICT;

-- When a scope's first complete walk began; of one that had such walks before this schema, when the newest of them did. Null again
-- where an account is put back of which nothing was noted while it was away.
ALTER TABLE scope ADD COLUMN first_complete_at INTEGER;
UPDATE scope SET first_complete_at = complete_at;

-- Scopes of which what their first complete walk showed is behind us: whatever begins later of their keys is news.
CREATE TABLE told_scope (scope_id INTEGER PRIMARY KEY REFERENCES scope (id)) STRICT;

-- What waits to be posted.
CREATE TABLE delivery (
    id         INTEGER PRIMARY KEY,
    message_id TEXT    NOT NULL UNIQUE,                   -- the same at each attempt
    made_at    INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,
    body       TEXT    NOT NULL CHECK (json_valid(body))
) STRICT;
