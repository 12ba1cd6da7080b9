-- Keys that keep their presence because a list of people or projects is held: it is the list that would say whether their
-- owner, or the list that held them, is still there. Private. Made to be flattened into queries for one key, so it is one join,
-- and begins with the holds: there is hardly ever one.
SELECT h.account_id AS account_id, k.id AS key_id, h.since AS since
  FROM hold AS h INDEXED BY hold_open
 CROSS JOIN scope AS l ON l.id = h.scope_id AND l.kind IN ('people', 'projects')
 CROSS JOIN key AS k ON k.organization_id = l.organization_id AND k.presence IN ('present', 'missing')
 WHERE h.ended_at IS NULL
   AND (l.kind = 'people' AND EXISTS (SELECT 1 FROM person AS p WHERE p.id = k.person_id AND p.unlisted_walk >= h.walk_id)
        OR EXISTS (SELECT 1 FROM sighting AS x JOIN scope AS s ON s.id = x.scope_id
                    WHERE x.key_id = k.id AND s.kind = CASE l.kind WHEN 'people' THEN 'member' ELSE 'project' END
                      AND s.standing IN ('open', 'closed') AND coalesce(s.newest_walk, 0) < s.unlisted_walk))
   AND NOT EXISTS (SELECT 1 FROM sighting AS y JOIN scope AS o ON o.id = y.scope_id
                    WHERE y.key_id = k.id AND y.unlisted_walk IS NULL AND o.standing = 'open'
                      AND (o.unlisted_walk IS NULL OR coalesce(o.newest_walk, 0) >= o.unlisted_walk))
