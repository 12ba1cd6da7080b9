-- The other public views, with SQLite's own clock. `help` documents them in the file itself.

CREATE VIEW stale_keys AS SELECT * FROM keys WHERE waived = '' AND instr(',' || conditions || ',', ',stale,') > 0;
CREATE VIEW expired_keys AS SELECT * FROM keys WHERE waived = '' AND instr(',' || conditions || ',', ',expired,') > 0;
CREATE VIEW expiring_keys AS SELECT * FROM keys WHERE waived = '' AND instr(',' || conditions || ',', ',expiring,') > 0;
CREATE VIEW orphaned_keys AS SELECT * FROM keys WHERE waived = '' AND instr(',' || conditions || ',', ',orphaned,') > 0;

CREATE VIEW scopes AS
SELECT a.provider AS provider, a.name AS account, s.kind AS kind, s.remote_id AS scope_id, s.name AS scope_name,
       CASE WHEN s.standing = 'vanished' THEN 'vanished'
            WHEN EXISTS (SELECT 1 FROM hold AS h WHERE h.scope_id = s.id AND h.ended_at IS NULL) THEN 'held'
            WHEN s.standing IN ('closed', 'retired') THEN s.standing
            WHEN s.complete_walk IS NULL AND coalesce(w.outcome, 'never') = 'never' THEN 'never'
            ELSE coalesce(w.outcome, 'never') END AS state,
       coalesce(s.standing_reason, w.reason) AS reason,
       w.detail AS detail,
       strftime('%Y-%m-%dT%H:%M:%SZ', w.started_at, 'unixepoch') AS last_walk_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', s.complete_at, 'unixepoch') AS last_complete_at,
       (SELECT count(*) FROM sighting AS x WHERE x.scope_id = s.id AND x.unlisted_walk IS NULL) AS keys
  FROM scope AS s
  JOIN organization AS o ON o.id = s.organization_id
  JOIN account AS a ON a.organization_id = o.id
  LEFT JOIN walk AS w ON w.id = s.newest_walk;

CREATE VIEW accounts AS
SELECT a.provider AS provider, a.name AS account, o.remote_id AS organization_id, o.name AS organization_name,
       a.configured AS configured,
       strftime('%Y-%m-%dT%H:%M:%SZ', p.started_at, 'unixepoch') AS last_poll_at, p.up AS up, p.reason AS reason,
       strftime('%Y-%m-%dT%H:%M:%SZ', (SELECT iif(count(*) = count(s.complete_at), min(s.complete_at), NULL) FROM scope AS s WHERE s.organization_id = a.organization_id AND s.standing = 'open'), 'unixepoch') AS last_complete_poll_at,
       (SELECT count(*) FROM key AS k WHERE k.organization_id = a.organization_id AND k.presence <> 'gone') AS keys,
       strftime('%Y-%m-%dT%H:%M:%SZ', coalesce((SELECT k.expires_at FROM key AS k WHERE k.self = 1 AND k.organization_id = a.organization_id), a.credential_expires_at), 'unixepoch') AS credential_expires_at
  FROM account AS a
  LEFT JOIN organization AS o ON o.id = a.organization_id
  LEFT JOIN poll AS p ON p.id = (SELECT max(id) FROM poll WHERE account_id = a.id AND settled_at IS NOT NULL);

CREATE VIEW walks AS
SELECT a.provider AS provider, a.name AS account, s.kind AS kind, s.remote_id AS scope_id, s.name AS scope_name,
       strftime('%Y-%m-%dT%H:%M:%SZ', w.started_at, 'unixepoch') AS started_at, strftime('%Y-%m-%dT%H:%M:%SZ', w.ended_at, 'unixepoch') AS ended_at, w.outcome AS outcome, w.reason AS reason,
       w.detail AS detail, w.pages AS pages, w.items AS items, w.refused AS refused, w.other_organization AS other_organization
  FROM walk AS w
  JOIN scope AS s ON s.id = w.scope_id
  JOIN organization AS o ON o.id = s.organization_id
  JOIN account AS a ON a.id = o.account_id;

CREATE VIEW people AS
SELECT a.provider AS provider, a.name AS account, p.remote_id AS person_id, p.kind AS kind, p.name AS name, p.email AS email,
       CASE WHEN p.listed = 0 THEN 'never_listed' WHEN p.unlisted_walk IS NULL THEN 'listed' ELSE 'not_listed' END AS state,
       (SELECT count(*) FROM key AS k WHERE k.person_id = p.id AND k.presence <> 'gone') AS keys
  FROM person AS p
  JOIN organization AS o ON o.id = p.organization_id
  JOIN account AS a ON a.id = o.account_id;

CREATE VIEW holds AS
SELECT a.provider AS provider, a.name AS account, s.kind AS kind, s.remote_id AS scope_id, h.cause AS cause,
       strftime('%Y-%m-%dT%H:%M:%SZ', h.since, 'unixepoch') AS since, strftime('%Y-%m-%dT%H:%M:%SZ', h.ended_at, 'unixepoch') AS ended_at, h.ended_by AS ended_by, h.ended_why AS ended_why,
       h.held AS keys
  FROM hold AS h
  JOIN account AS a ON a.id = h.account_id
  LEFT JOIN scope AS s ON s.id = h.scope_id;

CREATE VIEW acknowledgements AS
SELECT a.provider AS provider, a.name AS account, s.kind AS kind, s.remote_id AS scope_id,
       strftime('%Y-%m-%dT%H:%M:%SZ', w.at, 'unixepoch') AS at, w.who AS who, w.why AS why,
       w.holds AS holds, w.keys AS keys, w.gone AS gone, w.organization AS organization
  FROM acknowledgement AS w
  JOIN account AS a ON a.id = w.account_id
  LEFT JOIN scope AS s ON s.id = w.scope_id;

CREATE VIEW changes AS
SELECT c.id AS change_id, strftime('%Y-%m-%dT%H:%M:%SZ', c.at, 'unixepoch') AS at, a.provider AS provider, a.name AS account, k.remote_id AS key_id, k.name AS name,
       k.kind AS kind, c.change AS change, c.before AS before, c.after AS after
  FROM change AS c
  JOIN key AS k ON k.id = c.key_id
  JOIN organization AS o ON o.id = k.organization_id
  JOIN account AS a ON a.id = o.account_id;

CREATE VIEW waivers AS
SELECT w.matches AS matches, w.reason AS reason, w.who AS who, strftime('%Y-%m-%dT%H:%M:%SZ', w.until, 'unixepoch') AS until
  FROM waiver AS w;
