-- name: changes_after
-- The changes in a window of watermarks, out of runs of one change or more.
SELECT
    position AS watermark, run.changed_at,
    run.instance_key - (run.watermark - position) AS instance_key, run.partition_key, run.action
FROM (
    SELECT * FROM change WHERE watermark > %(after)s
    ORDER BY watermark LIMIT %(last)s - %(after)s
) AS run
CROSS JOIN LATERAL generate_series(
    greatest(run.watermark - run.run_length, %(after)s) + 1, least(run.watermark, %(last)s)
) AS position

-- name: changes_between
-- A page of the changes in a window of time: watermarks are gapless and times ascend with them, so
-- that skipping is an addition.
SELECT
    position AS watermark, run.changed_at,
    run.instance_key - (run.watermark - position) AS instance_key, run.partition_key, run.action
FROM (
    SELECT watermark - run_length + %(skip)s AS after FROM change
    WHERE changed_at >= %(start)s ORDER BY changed_at, watermark LIMIT 1
) AS page
CROSS JOIN LATERAL (
    SELECT * FROM change WHERE watermark > page.after ORDER BY watermark LIMIT %(limit)s
) AS run
CROSS JOIN LATERAL generate_series(
    greatest(run.watermark - run.run_length, page.after) + 1,
    least(run.watermark, page.after + %(limit)s)
) AS position
WHERE run.changed_at < %(end)s

-- name: latest
-- The newest change.
SELECT watermark, changed_at, instance_key, partition_key, action
FROM change ORDER BY watermark DESC LIMIT 1

-- name: described
-- Changes with names, state, and where the current version of their instance lies: the one that is
-- stored under the same UIDs now.
SELECT
    page.watermark, page.changed_at, partition.partition_name, page.action,
    named.study_uid, page.instance_key,
    current.instance_key, named.series_uid, named.sop_instance_uid, current.sop_class_uid,
    current.transfer_syntax_uid, current.pack_id, current.payload_offset, current.payload_length,
    current.segment_offset, current.segment_length, current.segment_plain_length,
    current.segment_crc32, current.has_bulkdata_uri, current.frame_count, current.bits_allocated
FROM page
JOIN partition USING (partition_key)
-- Each LIMIT 1 keeps this a look-up per change, whatever the planner thinks of the page's size.
LEFT JOIN LATERAL (
    SELECT study_uid, series_uid, sop_instance_uid
    FROM instance
    JOIN series USING (series_key)
    JOIN study USING (study_key)
    WHERE instance.instance_key = page.instance_key
    UNION ALL
    SELECT study_uid, series_uid, sop_instance_uid
    FROM deleted_instance
    WHERE deleted_instance.instance_key = page.instance_key
    LIMIT 1
) AS named ON true
LEFT JOIN LATERAL (
    SELECT
        instance.*, pack.pack_id, sop_class.uid AS sop_class_uid,
        transfer_syntax.uid AS transfer_syntax_uid
    FROM study
    JOIN series USING (study_key)
    JOIN instance USING (series_key)
    JOIN pack USING (pack_key)
    JOIN uid_name AS sop_class ON sop_class.uid_key = instance.sop_class_key
    JOIN uid_name AS transfer_syntax ON transfer_syntax.uid_key = instance.transfer_syntax_key
    WHERE study.study_uid = named.study_uid AND study.partition_key = page.partition_key
        AND series.series_uid = named.series_uid
        AND instance.sop_instance_uid = named.sop_instance_uid
    LIMIT 1
) AS current ON true
ORDER BY page.watermark
