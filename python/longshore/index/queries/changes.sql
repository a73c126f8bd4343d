-- name: changes_after
-- The changes in a window of watermarks.
SELECT * FROM change WHERE watermark > %(after)s AND watermark <= %(last)s

-- name: changes_between
-- A page of the changes in a window of time: watermarks are gapless and times ascend with them, so
-- that skipping is an addition.
SELECT change.*
FROM (
    SELECT watermark FROM change
    WHERE changed_at >= %(start)s ORDER BY changed_at, watermark LIMIT 1
) AS first
JOIN change ON change.watermark >= first.watermark + %(skip)s
    AND change.watermark < first.watermark + %(skip)s + %(limit)s
WHERE change.changed_at < %(end)s

-- name: latest
-- The newest change.
SELECT * FROM change ORDER BY watermark DESC LIMIT 1

-- name: described
-- Changes with names, state, and where the current version of their instance lies: the one that is
-- stored under the same UIDs now.
SELECT
    named.watermark, named.changed_at, partition.partition_name, named.action,
    named.study_uid, named.instance_key,
    current.instance_key, named.series_uid, named.sop_instance_uid, sop_class.uid,
    transfer_syntax.uid, pack.pack_id, current.payload_offset, current.payload_length,
    current.segment_offset, current.segment_length, current.segment_plain_length,
    current.segment_crc32, current.has_bulkdata_uri, current.frame_count, current.bits_allocated
FROM (
    SELECT
        page.watermark, page.changed_at, page.action, page.partition_key, page.instance_key,
        COALESCE(study.study_uid, deleted_instance.study_uid) AS study_uid,
        COALESCE(series.series_uid, deleted_instance.series_uid) AS series_uid,
        COALESCE(instance.sop_instance_uid, deleted_instance.sop_instance_uid)
            AS sop_instance_uid
    FROM page
    LEFT JOIN instance ON instance.instance_key = page.instance_key
    LEFT JOIN series ON series.series_key = instance.series_key
    LEFT JOIN study ON study.study_key = series.study_key
    LEFT JOIN deleted_instance ON deleted_instance.instance_key = page.instance_key
) AS named
JOIN partition ON partition.partition_key = named.partition_key
LEFT JOIN study ON study.study_uid = named.study_uid
    AND study.partition_key = named.partition_key
LEFT JOIN series ON series.study_key = study.study_key AND series.series_uid = named.series_uid
LEFT JOIN instance AS current ON current.series_key = series.series_key
    AND current.sop_instance_uid = named.sop_instance_uid
LEFT JOIN pack ON pack.pack_key = current.pack_key
LEFT JOIN uid_name AS sop_class ON sop_class.uid_key = current.sop_class_key
LEFT JOIN uid_name AS transfer_syntax ON transfer_syntax.uid_key = current.transfer_syntax_key
ORDER BY named.watermark
