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

-- name: lock_packs
-- Keeps other moves of the packs' entries waiting, in an order that deletions keep, too.
SELECT pack_key FROM pack WHERE pack_id = ANY (%(old_pack_ids)s)
ORDER BY pack_key FOR NO KEY UPDATE;

-- name: find_moving
-- The packs in which the moving entries lie now; deleted ones lie in none.
SELECT instance_key, pack_key FROM instance
WHERE instance_key = ANY (%(instance_keys)s::bigint[]);

-- name: insert_moved_pack
-- Names the pack that entries move to; it is as old as they are, and waits for no merging.
INSERT INTO pack (
    pack_id, pack_length, live_bytes, entry_count, live_count, created_at, merge_at
)
SELECT
    %(new_pack_id)s, %(pack_length)s, 0, %(entry_count)s, 0,
    COALESCE(max(created_at), now()), NULL
FROM pack WHERE pack_key = ANY (%(old_pack_keys)s)
RETURNING pack_key;

-- name: move_entries
-- Points the rows to their new places.
UPDATE instance SET
    pack_key = %(new_pack_key)s,
    payload_offset = moved.payload_offset,
    segment_offset = moved.segment_offset
FROM unnest(
    %(instance_keys)s::bigint[], %(payload_offsets)s::bigint[], %(segment_offsets)s::bigint[]
) AS moved (instance_key, payload_offset, segment_offset)
WHERE instance.instance_key = moved.instance_key;

-- name: count_moved
-- Counts all packs anew. Whatever died in an old one before it moved keeps its time.
UPDATE pack SET
    live_count = counted.live_count,
    live_bytes = counted.live_bytes,
    merge_at = NULL,
    dead_at = CASE
        WHEN counted.live_count = entry_count THEN NULL
        WHEN pack.pack_key = %(new_pack_key)s THEN now()
        ELSE greatest(dead_at, %(dead_at)s)
    END
FROM (
    SELECT moved.pack_key, count(instance.instance_key) AS live_count,
        COALESCE(sum(instance.payload_length), 0) AS live_bytes
    FROM unnest(%(old_pack_keys)s::bigint[] || %(new_pack_key)s::bigint) AS moved (pack_key)
    LEFT JOIN instance USING (pack_key)
    GROUP BY moved.pack_key
) AS counted
WHERE pack.pack_key = counted.pack_key;
