-- Waivers that ended until then have been told of in the daemon's log.
ALTER TABLE policy ADD COLUMN waivers_told_at INTEGER;
UPDATE policy SET waivers_told_at = computed_at;
