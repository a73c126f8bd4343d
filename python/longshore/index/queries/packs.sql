-- name: known_packs
-- Those of the packs that have a row, but for claims of the sweep.
SELECT pack_id FROM pack WHERE pack_id = ANY (%(pack_ids)s) AND entry_count > 0;

-- name: claim_for_sweep
-- Takes a pack that has no row for forgotten: a Store that still holds it fails. A claim that is
-- there already is made again, since who made it may have stopped half-way.
INSERT INTO pack (pack_id, pack_length, live_bytes, entry_count, live_count, merge_at)
VALUES (%(pack_id)s, 0, 0, 0, 0, NULL)
ON CONFLICT (pack_id) DO UPDATE SET pack_length = 0 WHERE pack.entry_count = 0
RETURNING pack_key;

-- name: forget_pack
-- Removes the row of a pack that is gone; never one with live entries, and never a claim.
DELETE FROM pack WHERE pack_id = %(pack_id)s AND live_count = 0 AND entry_count > 0;

-- name: dead_packs
-- Packs in which something died before a time, behind a position, the longest dead first. One
-- without a live entry waits for its last death to be that long ago, too.
SELECT pack_id, pack_length, live_count, COALESCE(dead_since, dead_at), pack_key FROM pack
WHERE dead_at IS NOT NULL AND COALESCE(dead_since, dead_at) < %(dead_before)s
    AND (live_count > 0 OR dead_at < %(dead_before)s)
    AND (COALESCE(dead_since, dead_at), pack_key) > (%(dead_since)s, %(pack_key)s)
ORDER BY COALESCE(dead_since, dead_at), pack_key
LIMIT %(limit)s;

-- name: live_entries
-- The entries of packs that have a row, in the order in which a Retrieve asks for them.
SELECT
    instance.instance_key, partition.partition_name, study.study_uid, series.series_uid,
    instance.sop_instance_uid, pack.pack_id, instance.payload_offset, instance.payload_length,
    instance.segment_offset, instance.segment_length, instance.segment_plain_length,
    instance.segment_crc32
FROM pack
JOIN instance USING (pack_key)
JOIN series USING (series_key)
JOIN study USING (study_key)
JOIN partition USING (partition_key)
WHERE pack.pack_id = ANY (%(pack_ids)s)
ORDER BY study_key, series_key, instance.instance_number NULLS LAST, instance.instance_key;
