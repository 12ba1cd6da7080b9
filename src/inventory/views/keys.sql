-- The public view `keys`, at :now.
SELECT a.provider AS provider,
       a.name AS account,
       s.remote_id AS scope_id,
       s.name AS scope_name,
       k.remote_id AS key_id,
       k.kind AS kind,
       k.name AS name,
       k.hint AS hint,
       p.kind AS owner_kind,
       p.remote_id AS owner_id,
       p.name AS owner_name,
       p.email AS owner_email,
       strftime('%Y-%m-%dT%H:%M:%SZ', k.created_at, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', u.used_at, 'unixepoch') AS last_used_at,
       u.used_state AS last_used_state,
       strftime('%Y-%m-%dT%H:%M:%SZ', k.expires_at, 'unixepoch') AS expires_at,
       k.expires_state AS expires_state,
       k.enabled AS enabled,
       k.presence AS presence,
       k.presence_reason AS presence_reason,
       strftime('%Y-%m-%dT%H:%M:%SZ', (SELECT min(since) FROM (
             SELECT h.since FROM held_key AS x JOIN hold AS h ON h.id = x.hold_id WHERE x.key_id = k.id AND h.ended_at IS NULL AND x.absent_poll IS NULL
             UNION ALL
             SELECT v.since FROM held_by_list AS v WHERE v.key_id = k.id)), 'unixepoch') AS held_since,
       t.conditions AS conditions,
       iif(t.stale, t.stale_basis, NULL) AS stale_basis,
       iif(t.waived, t.conditions, '') AS waived,
       k.self AS self,
       strftime('%Y-%m-%dT%H:%M:%SZ', k.first_seen_at, 'unixepoch') AS first_seen_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', t.last_seen, 'unixepoch') AS last_seen_at,
       l.labels ->> '$.team' AS team,
       coalesce(l.labels, '{}') AS labels
  FROM key_state AS t
  JOIN key AS k ON k.id = t.id
  JOIN organization AS o ON o.id = k.organization_id
  JOIN account AS a ON a.id = o.account_id
  JOIN scope AS s ON s.id = k.scope_id
  JOIN last_use AS u ON u.key_id = k.id
  LEFT JOIN person AS p ON p.id = k.person_id
  LEFT JOIN deadline AS d ON d.key_id = k.id
  LEFT JOIN label_set AS l ON l.id = d.label_set_id
