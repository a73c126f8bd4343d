-- name: changes_after
-- The changes in a window of watermarks.
SELECT * FROM change WHERE watermark > %(watermark)s AND watermark <= %(watermark)s + %(limit)s

-- name: changes_between
-- A page of the changes in a window of time: watermarks are gapless and times ascend with them, so
-- that skipping is an addition.
SELECT * FROM change
WHERE watermark >= (
        SELECT min(watermark) FROM change WHERE changed_at >= %(start)s
    ) + %(skip)s
    AND watermark < (
        SELECT min(watermark) FROM change WHERE changed_at >= %(start)s
    ) + %(skip)s + %(limit)s
    AND changed_at < %(end)s

-- name: latest
-- The newest change.
SELECT * FROM change ORDER BY watermark DESC LIMIT 1

-- name: described
-- Changes with names, state, and where the current version of their instance lies.
SELECT
    page.watermark, page.changed_at, partition.partition_name, page.action,
    COALESCE(study.study_uid, deleted_instance.study_uid),
    COALESCE(series.series_uid, deleted_instance.series_uid),
    COALESCE(instance.sop_instance_uid, deleted_instance.sop_instance_uid),
    current.instance_key, current.instance_key IS NOT DISTINCT FROM page.instance_key,
    current.series_uid, current.sop_instance_uid, current.sop_class_uid,
    current.transfer_syntax_uid, current.pack_id, current.payload_offset, current.payload_length,
    current.segment_offset, current.segment_length, current.segment_plain_length,
    current.segment_crc32, current.has_bulkdata_uri, current.frame_count, current.bits_allocated
FROM page
JOIN partition USING (partition_key)
LEFT JOIN instance USING (instance_key)
LEFT JOIN series ON series.series_key = instance.series_key
LEFT JOIN study ON study.study_key = series.study_key
LEFT JOIN deleted_instance ON deleted_instance.instance_key = page.instance_key
LEFT JOIN LATERAL (
    SELECT
        live.instance_key, live_series.series_uid, live.sop_instance_uid,
        sop_class.uid AS sop_class_uid, transfer_syntax.uid AS transfer_syntax_uid, pack.pack_id,
        live.payload_offset, live.payload_length, live.segment_offset, live.segment_length,
        live.segment_plain_length, live.segment_crc32, live.has_bulkdata_uri, live.frame_count,
        live.bits_allocated
    FROM instance AS live
    JOIN series AS live_series ON live_series.series_key = live.series_key
    JOIN study AS live_study ON live_study.study_key = live_series.study_key
    JOIN pack ON pack.pack_key = live.pack_key
    JOIN uid_name AS sop_class ON sop_class.uid_key = live.sop_class_key
    JOIN uid_name AS transfer_syntax ON transfer_syntax.uid_key = live.transfer_syntax_key
    WHERE live.instance_key = page.instance_key
        OR (
            instance.instance_key IS NULL
            AND live.sop_instance_uid = deleted_instance.sop_instance_uid
            AND live_series.series_uid = deleted_instance.series_uid
            AND live_study.study_uid = deleted_instance.study_uid
            AND live_study.partition_key = page.partition_key
        )
    LIMIT 1
) AS current ON true
ORDER BY page.watermark;
