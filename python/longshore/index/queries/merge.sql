-- name: due_packs
-- Packs that have waited for merging long enough, the first of them, and whether each is small.
SELECT
    pack_id,
    live_count > 0 AND pack_length < %(pack_bytes_max)s AND entry_count < %(pack_count_max)s
FROM pack
WHERE merge_at <= %(before)s
ORDER BY merge_at, pack_key
LIMIT %(limit)s;

-- name: last_arrival
-- When the last instance came to any of the series in a pack.
SELECT max(newest.created_at)
FROM (
    SELECT DISTINCT instance.series_key FROM instance JOIN pack USING (pack_key)
    WHERE pack.pack_id = %(pack_id)s
) AS held
CROSS JOIN LATERAL (
    SELECT pack_key FROM instance WHERE instance.series_key = held.series_key
    ORDER BY instance_key DESC LIMIT 1
) AS last
JOIN pack AS newest USING (pack_key);

-- name: related_packs
-- Small packs that hold instances which came to the same series before and behind those of a pack,
-- the oldest first. Reads so many rows of the index at most, however long a series is.
WITH held AS (
    SELECT instance.series_key, min(instance.instance_key) AS first_key
    FROM instance JOIN pack USING (pack_key)
    WHERE pack.pack_id = %(pack_id)s
    GROUP BY instance.series_key
), near AS (
    SELECT DISTINCT pack_key FROM (
        SELECT beside.pack_key FROM held CROSS JOIN LATERAL (
            (
                SELECT pack_key FROM instance
                WHERE instance.series_key = held.series_key AND instance_key >= held.first_key
                ORDER BY instance_key LIMIT %(reach)s
            ) UNION ALL (
                SELECT pack_key FROM instance
                WHERE instance.series_key = held.series_key AND instance_key < held.first_key
                ORDER BY instance_key DESC LIMIT %(reach)s
            )
        ) AS beside
        LIMIT %(row_count_max)s
    ) AS beside
)
SELECT pack.pack_id, pack.pack_length, pack.live_count
FROM near JOIN pack USING (pack_key)
WHERE pack.live_count > 0 AND pack.pack_length < %(pack_bytes_max)s
    AND pack.entry_count < %(pack_count_max)s
ORDER BY pack.pack_id;

-- name: set_merge_at
-- Says when packs are to be looked at for merging; null: not again.
UPDATE pack SET merge_at = %(merge_at)s
WHERE pack_id = ANY (%(pack_ids)s) AND merge_at IS DISTINCT FROM %(merge_at)s;
