-- name: delete_replaced
-- Deletes those of the instances that are stored, and takes them off their series. The change feed
-- has no deletion of them: it names the version that comes instead.
WITH found AS MATERIALIZED (
    SELECT instance.instance_key, new.study_uid, new.series_uid
    FROM unnest(
        %(partition_keys)s::integer[], %(study_uids)s::text[], %(series_uids)s::text[],
        %(sop_instance_uids)s::text[]
    ) AS new (partition_key, study_uid, series_uid, sop_instance_uid)
    JOIN study USING (study_uid, partition_key)
    JOIN series ON series.study_key = study.study_key AND series.series_uid = new.series_uid
    JOIN instance ON instance.sop_instance_uid = new.sop_instance_uid
        AND instance.series_key = series.series_key
), doomed AS (
    DELETE FROM instance USING found
    WHERE instance.instance_key = found.instance_key
    RETURNING instance.instance_key, instance.series_key, found.study_uid, found.series_uid,
        instance.sop_instance_uid, instance.pack_key, instance.payload_offset,
        instance.payload_length
), noted AS (
    INSERT INTO deleted_instance (instance_key, study_uid, series_uid, sop_instance_uid)
    SELECT instance_key, study_uid, series_uid, sop_instance_uid FROM doomed
), counted AS (
    UPDATE series SET instance_count = series.instance_count - gone.instance_count
    FROM (SELECT series_key, count(*) AS instance_count FROM doomed GROUP BY series_key) AS gone
    WHERE series.series_key = gone.series_key
)
SELECT pack.pack_id, doomed.pack_key, doomed.payload_offset, doomed.payload_length
FROM doomed JOIN pack USING (pack_key)
ORDER BY doomed.instance_key;

-- name: delete_emptied_series
-- Deletes series of the instances' studies that are empty now: what comes makes them anew.
DELETE FROM series USING study, unnest(%(partition_keys)s::integer[], %(study_uids)s::text[])
    AS new (partition_key, study_uid)
WHERE study.study_uid = new.study_uid AND study.partition_key = new.partition_key
    AND series.study_key = study.study_key AND series.instance_count = 0;

-- name: delete_emptied_studies
-- Deletes those of the instances' studies in which no series is left, likewise.
DELETE FROM study USING unnest(%(partition_keys)s::integer[], %(study_uids)s::text[])
    AS new (partition_key, study_uid)
WHERE study.study_uid = new.study_uid AND study.partition_key = new.partition_key
    AND NOT EXISTS (SELECT FROM series WHERE series.study_key = study.study_key);
