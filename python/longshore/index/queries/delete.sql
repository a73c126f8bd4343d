-- name: lock_study
-- Keeps everyone else from adding to the study; waits for those who do.
SELECT study_key FROM study
WHERE study_uid = %(study_uid)s AND partition_key = %(partition_key)s
FOR UPDATE;

-- name: lock_due_study
-- Likewise, if its time is over.
SELECT study_key FROM study
WHERE study_uid = %(study_uid)s AND partition_key = %(partition_key)s AND expires_at <= now()
FOR UPDATE;

-- name: series_exists
-- Whether the study has this series.
SELECT true FROM series
JOIN study USING (study_key)
WHERE study_uid = %(study_uid)s AND partition_key = %(partition_key)s
    AND series_uid = %(series_uid)s;

-- name: delete_found
-- Deletes the instances found, notes them for the change feed and takes them off their series.
, doomed AS (
    DELETE FROM instance USING found
    WHERE instance.instance_key = found.instance_key
    RETURNING instance.instance_key, instance.series_key, found.series_uid,
        instance.sop_instance_uid, instance.pack_key, instance.payload_offset,
        instance.payload_length
), noted AS (
    INSERT INTO deleted_instance (instance_key, study_uid, series_uid, sop_instance_uid)
    SELECT instance_key, %(study_uid)s, series_uid, sop_instance_uid FROM doomed
), counted AS (
    UPDATE series SET instance_count = series.instance_count - gone.instance_count
    FROM (SELECT series_key, count(*) AS instance_count FROM doomed GROUP BY series_key) AS gone
    WHERE series.series_key = gone.series_key
)
SELECT doomed.instance_key, pack.pack_id, doomed.pack_key, doomed.payload_offset,
    doomed.payload_length
FROM doomed JOIN pack USING (pack_key)
ORDER BY doomed.instance_key;

-- name: delete_empty_series
-- Deletes the study's series without instances.
DELETE FROM series USING study
WHERE series.study_key = study.study_key AND series.instance_count = 0
    AND study.study_uid = %(study_uid)s AND study.partition_key = %(partition_key)s;

-- name: delete_empty_study
-- Deletes the study if no series is left.
DELETE FROM study
WHERE study_uid = %(study_uid)s AND partition_key = %(partition_key)s
    AND NOT EXISTS (SELECT FROM series WHERE series.study_key = study.study_key);

-- name: append_deletions
-- Appends one change per deleted instance, in key order, consecutive keys as one run of at most
-- 1,024; locks the counter to the end.
WITH head AS (
    UPDATE change_head SET
        watermark = watermark + cardinality(%(instance_keys)s::bigint[]),
        changed_at = greatest(changed_at, clock_timestamp())
    RETURNING
        watermark - cardinality(%(instance_keys)s::bigint[]) AS watermark_before, changed_at
)
INSERT INTO change (watermark, changed_at, instance_key, partition_key, action, run_length)
SELECT
    head.watermark_before + max(deleted.position), head.changed_at, max(deleted.instance_key),
    %(partition_key)s, 1, count(*)
FROM head CROSS JOIN unnest(%(instance_keys)s::bigint[])
    WITH ORDINALITY AS deleted (instance_key, position)
GROUP BY
    head.watermark_before, head.changed_at, deleted.instance_key - deleted.position,
    (deleted.position - 1) / 1024;
