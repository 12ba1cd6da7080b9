-- The first schema. Tables are private; what people query are the views.
--
-- Times are whole seconds since 1970, UTC. Walks, polls and conclusions are numbered from one sequence, and only these
-- numbers say what came first. A column `unlisted_walk` records a fact, not a conclusion: that a complete walk of the list
-- did not hold the row. Presence, standing and departure are concluded from it when a poll settles.

-- One row per process that opened the file to write. Boot clocks are comparable only within one run.
CREATE TABLE run (
    id         INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL,
    version    TEXT    NOT NULL
) STRICT;

CREATE TABLE account (
    id              INTEGER PRIMARY KEY,
    name            TEXT    NOT NULL UNIQUE,
    provider        TEXT    NOT NULL,
    configured      INTEGER NOT NULL CHECK (configured IN (0, 1)),
    organization_id INTEGER REFERENCES organization (id), -- null until a poll confirmed one
    interval        INTEGER,                              -- seconds between polls
    offered_id      TEXT,                                 -- another organisation that the credential sees now: waits for a person
    offered_name    TEXT,
    offered_at      INTEGER
) STRICT;

CREATE TABLE organization (
    id            INTEGER PRIMARY KEY,
    account_id    INTEGER NOT NULL REFERENCES account (id),
    remote_id     TEXT,                                   -- null where the provider does not tell
    name          TEXT,
    first_seen_at INTEGER NOT NULL
) STRICT;
CREATE INDEX organization_by_account ON organization (account_id);

CREATE TABLE poll (
    id         INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id),
    run_id     INTEGER NOT NULL REFERENCES run (id),
    started_at INTEGER NOT NULL,
    settled_at INTEGER,                                   -- null while under way, or cut off by a crash
    up         INTEGER CHECK (up IN (0, 1)),              -- every scope that it opened ended complete or closed
    reason     TEXT                                       -- of the first scope that did not
) STRICT;
CREATE INDEX poll_by_account ON poll (account_id, id);

CREATE TABLE scope (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL REFERENCES organization (id),
    kind            TEXT    NOT NULL,
    remote_id       TEXT    NOT NULL DEFAULT '',          -- the project or member; '' for the one list of its kind
    name            TEXT,
    standing        TEXT    NOT NULL DEFAULT 'open' CHECK (standing IN ('open', 'closed', 'vanished', 'retired')),
    standing_reason TEXT,
    refusals        INTEGER NOT NULL DEFAULT 0,           -- in a row
    newest_walk     INTEGER,
    complete_walk   INTEGER,                              -- the newest complete one, and when it began
    complete_at     INTEGER,
    before_walk     INTEGER,                              -- the complete one before it
    unlisted_walk   INTEGER,                              -- of the parent list
    UNIQUE (organization_id, kind, remote_id)
) STRICT;

CREATE TABLE walk (
    id         INTEGER PRIMARY KEY,
    poll_id    INTEGER NOT NULL REFERENCES poll (id),
    scope_id   INTEGER NOT NULL REFERENCES scope (id),
    run_id     INTEGER NOT NULL REFERENCES run (id),
    started_at INTEGER NOT NULL,
    boot_s     INTEGER NOT NULL,                          -- the boot clock when it began
    ended_at   INTEGER NOT NULL,
    outcome    TEXT    NOT NULL CHECK (outcome IN ('complete', 'incomplete', 'closed')),
    reason     TEXT,
    detail     TEXT,
    pages      INTEGER NOT NULL,
    items      INTEGER NOT NULL,
    refused    INTEGER NOT NULL
) STRICT;
CREATE INDEX walk_by_scope ON walk (scope_id, id);
CREATE INDEX walk_by_poll ON walk (poll_id);

CREATE TABLE person (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL REFERENCES organization (id),
    remote_id       TEXT    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('user', 'service_account', 'other')),
    name            TEXT,
    email           TEXT,
    listed          INTEGER NOT NULL CHECK (listed IN (0, 1)), -- ever on a list of people
    unlisted_walk   INTEGER,                              -- of the list of people, since when not on it
    back_walk       INTEGER,                              -- of the list of people that held them again after one did not
    UNIQUE (organization_id, remote_id)
) STRICT;

CREATE TABLE key (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL REFERENCES organization (id),
    remote_id       TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    scope_id        INTEGER NOT NULL REFERENCES scope (id), -- its home: the highest-ranking scope that lists it, or last did
    name            TEXT,
    hint            TEXT,
    person_id       INTEGER REFERENCES person (id),       -- the owner; null is not reported
    owner_access    TEXT,
    created_at      INTEGER,
    expires_at      INTEGER,
    expires_state   TEXT    NOT NULL CHECK (expires_state IN ('at', 'never', 'not_reported')),
    enabled         INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    self            INTEGER NOT NULL DEFAULT 0 CHECK (self IN (0, 1)),
    fingerprint     INTEGER NOT NULL,                     -- of the stable facts, as the home tells them
    presence        TEXT    NOT NULL CHECK (presence IN ('present', 'missing', 'gone', 'unknown', 'unmanaged')),
    presence_reason TEXT    NOT NULL,
    first_seen_at   INTEGER NOT NULL,
    first_walk      INTEGER NOT NULL,
    seen_at         INTEGER,                              -- last_seen_at by scopes that no longer list it, and the number
    seen_walk       INTEGER,                              -- of that walk
    missing_number  INTEGER,                              -- when it became missing: sequence, wall and boot clock, run
    missing_at      INTEGER,
    missing_boot_s  INTEGER,
    missing_run     INTEGER,
    disabled_at     INTEGER,                              -- since when the provider was seen to say so
    access_lost_at  INTEGER,
    left_at         INTEGER,                              -- since when its owner is proven absent from the list of people
    UNIQUE (organization_id, remote_id),
    CHECK ((presence = 'missing') = (missing_number IS NOT NULL)),
    CHECK ((expires_state = 'at') = (expires_at IS NOT NULL)),
    CHECK ((seen_at IS NULL) = (seen_walk IS NULL))
) STRICT;
CREATE INDEX key_by_person ON key (person_id);
CREATE INDEX key_by_home ON key (scope_id);
CREATE INDEX key_left ON key (organization_id) WHERE left_at IS NOT NULL;

-- Which scopes list a key now; rows of a scope that no longer does keep the walk that showed it, until superseded.
CREATE TABLE sighting (
    scope_id      INTEGER NOT NULL REFERENCES scope (id),
    key_id        INTEGER NOT NULL REFERENCES key (id),
    walk_id       INTEGER NOT NULL,                       -- since which walk without interruption
    unlisted_walk INTEGER,
    PRIMARY KEY (scope_id, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sighting_by_key ON sighting (key_id);
CREATE INDEX sighting_unlisted ON sighting (unlisted_walk) WHERE unlisted_walk IS NOT NULL;

-- What moves all the time, and the deadlines that move with it. Narrow on purpose, and without indexes.
CREATE TABLE last_use (
    key_id        INTEGER PRIMARY KEY REFERENCES key (id),
    used_at       INTEGER,
    used_state    TEXT    NOT NULL CHECK (used_state IN ('at', 'never', 'not_reported')),
    stale_at      INTEGER,
    stale_basis   TEXT,
    never_used_at INTEGER,
    CHECK ((stale_at IS NULL) = (stale_basis IS NULL)),
    CHECK ((used_state = 'at') = (used_at IS NOT NULL))
) STRICT;

-- The other deadlines, and what rules say of the key.
CREATE TABLE deadline (
    key_id       INTEGER PRIMARY KEY REFERENCES key (id),
    expiring_at  INTEGER,
    expired_at   INTEGER,
    no_expiry_at INTEGER,
    overdue_at   INTEGER,
    disabled_at  INTEGER,
    orphaned_at  INTEGER,
    waived_until INTEGER,
    label_set_id INTEGER REFERENCES label_set (id)
) STRICT;

CREATE TABLE label_set (
    id     INTEGER PRIMARY KEY,
    labels TEXT NOT NULL UNIQUE CHECK (json_valid(labels))
) STRICT;

-- The policy that the deadlines were computed by.
CREATE TABLE policy (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    fingerprint INTEGER NOT NULL,
    computed_at INTEGER NOT NULL
) STRICT;

-- The waivers of that policy, as the config has them.
CREATE TABLE waiver (
    id      INTEGER PRIMARY KEY,
    matches TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    who     TEXT    NOT NULL,
    until   INTEGER NOT NULL
) STRICT;

-- A stop that waits for a person. Of a list of people or projects, the walk that shrank it; of keys, the keys themselves,
-- which stay here after an acknowledgement, as its mark, until they are seen again.
CREATE TABLE hold (
    id         INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id),
    scope_id   INTEGER REFERENCES scope (id),             -- null where the whole account is held
    walk_id    INTEGER,
    cause      TEXT    NOT NULL,
    held       INTEGER NOT NULL,                          -- how many, at most
    since      INTEGER NOT NULL,
    ended_at   INTEGER,
    ended_by   TEXT,                                      -- a person, or null where it ended by itself
    ended_why  TEXT
) STRICT;
CREATE INDEX hold_open ON hold (account_id) WHERE ended_at IS NULL;

CREATE TABLE held_key (
    hold_id INTEGER NOT NULL REFERENCES hold (id),
    key_id  INTEGER NOT NULL REFERENCES key (id),
    PRIMARY KEY (hold_id, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX held_by_key ON held_key (key_id);

-- A person's word.
CREATE TABLE acknowledgement (
    id           INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    account_id   INTEGER NOT NULL REFERENCES account (id),
    scope_id     INTEGER REFERENCES scope (id),
    who          TEXT    NOT NULL,
    why          TEXT    NOT NULL,
    holds        INTEGER NOT NULL,
    keys         INTEGER NOT NULL,
    gone         INTEGER NOT NULL,
    organization INTEGER NOT NULL CHECK (organization IN (0, 1))
) STRICT;

-- History. Append-only: nothing but retention removes a row.
CREATE TABLE change (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    poll_id INTEGER REFERENCES poll (id),                 -- null for what a reload or a person did
    key_id  INTEGER NOT NULL REFERENCES key (id),
    change  TEXT    NOT NULL,
    before  TEXT,
    after   TEXT
) STRICT;
CREATE INDEX change_by_key ON change (key_id);
CREATE INDEX change_by_poll ON change (poll_id) WHERE poll_id IS NOT NULL;
CREATE TRIGGER change_is_history BEFORE UPDATE ON change BEGIN SELECT raise(ABORT, 'history is append-only'); END;
