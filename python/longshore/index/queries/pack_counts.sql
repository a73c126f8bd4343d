-- name: lock_packs
-- Locks packs in order, so that no two who take entries off them can deadlock.
SELECT pack_key FROM pack WHERE pack_key = ANY (%(pack_keys)s::bigint[])
ORDER BY pack_key FOR NO KEY UPDATE;

-- name: count_packs
-- Takes dead entries off their packs' counts.
UPDATE pack SET
    live_count = pack.live_count - gone.entry_count,
    live_bytes = pack.live_bytes - gone.byte_count,
    dead_since = COALESCE(pack.dead_since, pack.dead_at, now()),
    dead_at = now()
FROM (
    SELECT pack_key, count(*) AS entry_count, sum(payload_length) AS byte_count
    FROM unnest(%(pack_keys)s::bigint[], %(payload_lengths)s::bigint[])
        AS dead (pack_key, payload_length)
    GROUP BY pack_key
) AS gone
WHERE pack.pack_key = gone.pack_key;
