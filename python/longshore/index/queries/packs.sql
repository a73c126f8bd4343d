-- name: take_turn
-- True for one session at a time.
SELECT pg_try_advisory_lock(%(lock)s);

-- name: end_turn
-- Lets another session have its turn.
SELECT pg_advisory_unlock(%(lock)s);

-- name: known_packs
-- Those of the packs that have a row, but for claims of the sweep.
SELECT pack_id FROM pack WHERE pack_id = ANY (%(pack_ids)s) AND entry_count > 0;

-- name: claim_for_sweep
-- Takes a pack that has no row for forgotten: a Store that still holds it fails. A claim that is
-- there already is made again, since who made it may have stopped half-way.
INSERT INTO pack (pack_id, pack_length, live_bytes, entry_count, live_count)
VALUES (%(pack_id)s, 0, 0, 0, 0)
ON CONFLICT (pack_id) DO UPDATE SET pack_length = 0 WHERE pack.entry_count = 0
RETURNING pack_key;

-- name: forget_pack
-- Removes the row of a pack that is gone; never one with live entries, and never a claim.
DELETE FROM pack WHERE pack_id = %(pack_id)s AND live_count = 0 AND entry_count > 0;

-- name: dead_packs
-- Packs with dead entries, of which the last died before a time, the longest dead first.
SELECT pack_id, pack_length, live_count FROM pack
WHERE dead_at < %(dead_before)s
ORDER BY dead_at
LIMIT %(limit)s;

-- name: live_entries
-- A pack's entries that have a row, in pack order.
SELECT
    instance.instance_key, study.study_uid, series.series_uid, instance.sop_instance_uid,
    instance.payload_offset, instance.payload_length, instance.segment_offset,
    instance.segment_length, instance.segment_plain_length, instance.segment_crc32
FROM pack
JOIN instance USING (pack_key)
JOIN series USING (series_key)
JOIN study USING (study_key)
WHERE pack.pack_id = %(pack_id)s
ORDER BY instance.payload_offset;

-- name: keep_studies
-- Keeps the moving entries' studies from being deleted until the end, in UID order.
SELECT study.study_key FROM study
WHERE study_key IN (
    SELECT series.study_key FROM instance
    JOIN series USING (series_key)
    WHERE instance.instance_key = ANY (%(instance_keys)s::bigint[])
)
ORDER BY study_uid, partition_key
FOR KEY SHARE;

-- name: lock_pack
-- Keeps another move of the pack's entries waiting.
SELECT pack_key FROM pack WHERE pack_id = %(pack_id)s FOR NO KEY UPDATE;

-- name: insert_moved_pack
-- Names the pack that entries move to.
INSERT INTO pack (pack_id, pack_length, live_bytes, entry_count, live_count)
VALUES (%(pack_id)s, %(pack_length)s, 0, %(entry_count)s, 0)
RETURNING pack_key;

-- name: move_entries
-- Points the rows that are still there to their new places.
UPDATE instance SET
    pack_key = %(new_pack_key)s,
    payload_offset = moved.payload_offset,
    segment_offset = moved.segment_offset
FROM unnest(
    %(instance_keys)s::bigint[], %(payload_offsets)s::bigint[], %(segment_offsets)s::bigint[]
) AS moved (instance_key, payload_offset, segment_offset)
WHERE instance.instance_key = moved.instance_key AND instance.pack_key = %(old_pack_key)s
RETURNING instance.instance_key;

-- name: count_moved
-- Counts both packs anew.
UPDATE pack SET
    live_count = counted.live_count,
    live_bytes = counted.live_bytes,
    dead_at = CASE
        WHEN pack.pack_key = %(old_pack_key)s THEN %(dead_at)s
        WHEN counted.live_count < entry_count THEN now()
    END
FROM (
    SELECT moved.pack_key, count(instance.instance_key) AS live_count,
        COALESCE(sum(instance.payload_length), 0) AS live_bytes
    FROM (VALUES (%(old_pack_key)s::bigint), (%(new_pack_key)s::bigint)) AS moved (pack_key)
    LEFT JOIN instance USING (pack_key)
    GROUP BY moved.pack_key
) AS counted
WHERE pack.pack_key = counted.pack_key;
