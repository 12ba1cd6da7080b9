-- One row per key with every condition as 0 or 1 at :now. Private; everything that speaks of conditions stands on it.
--
-- Claims about use hold only as of what was seen: their deadline is compared with the earlier of now and the last time
-- that the scope from which the key's facts come listed it completely (use_told): another that still lists it may tell of no use
-- at all. Where that one never was complete since it lists the key, it is the newest complete walk that listed it (last_seen),
-- which after a jump of the clock need not be the latest time. A key that no complete walk listed yet has no such time, and no
-- such claim. These times are asked for last: they are dear, and most deadlines lie ahead.
--
-- That a key is disabled or orphaned was told by a provider, and holds since then even where the clock went back behind it.
SELECT *,
       substr(iif(stale, ',stale', '') ||
              iif(never_used, ',never_used', '') ||
              iif(expiring, ',expiring', '') ||
              iif(expired, ',expired', '') ||
              iif(no_expiry, ',no_expiry', '') ||
              iif(overdue, ',overdue', '') ||
              iif(disabled, ',disabled', '') ||
              iif(orphaned, ',orphaned', ''), 2) AS conditions
  FROM (
  SELECT k.id AS id,
         k.account_id AS account_id,
         k.kind AS kind,
         k.presence AS presence,
         nullif(k.last_seen, 0) AS last_seen,
         coalesce(k.home_told, k.last_seen) AS use_told,
         u.stale_basis AS stale_basis,
         iif(k.judged AND u.stale_at <= :now, iif(u.stale_basis = 'age', 1, u.stale_at <= coalesce(k.home_told, k.last_seen)), 0) AS stale,
         iif(k.judged AND u.never_used_at <= :now, u.never_used_at <= coalesce(k.home_told, k.last_seen), 0) AS never_used,
         k.judged AND coalesce(d.expiring_at <= :now AND k.expires_at > :now, 0) AS expiring,
         k.judged AND coalesce(d.expired_at <= :now, 0) AS expired,
         k.judged AND coalesce(d.no_expiry_at <= :now, 0) AS no_expiry,
         k.judged AND coalesce(d.overdue_at <= :now, 0) AS overdue,
         k.judged AND d.disabled_at IS NOT NULL AS disabled,
         k.judged AND d.orphaned_at IS NOT NULL AS orphaned,
         coalesce(d.waived_until > :now, 0) AS waived
    FROM (SELECT key.id, key.kind, key.presence, key.expires_at, o.account_id,
                 key.presence IN ('present', 'missing', 'unknown') AS judged,
                 coalesce((SELECT at FROM (SELECT s.complete_at AS at, max(s.complete_walk)
                             FROM sighting AS x JOIN scope AS s ON s.id = x.scope_id
                            WHERE x.key_id = key.id AND x.unlisted_walk IS NULL AND x.walk_id <= s.complete_walk
                              AND s.complete_walk > coalesce(key.seen_walk, 0))),
                          key.seen_at, 0) AS last_seen,
                 (SELECT CASE WHEN x.unlisted_walk IS NOT NULL THEN coalesce(key.seen_at, 0)
                              WHEN x.walk_id <= s.complete_walk THEN s.complete_at END
                    FROM sighting AS x JOIN scope AS s ON s.id = x.scope_id
                   WHERE x.key_id = key.id AND x.scope_id = key.scope_id) AS home_told
            FROM key JOIN organization AS o ON o.id = key.organization_id) AS k
    LEFT JOIN last_use AS u ON u.key_id = k.id
    LEFT JOIN deadline AS d ON d.key_id = k.id
  )
