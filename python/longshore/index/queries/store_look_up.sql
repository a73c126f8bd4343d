-- name: plan_as_if_large
-- Plans, in this transaction, once and for tables of any size: a plan that was made while they were
-- small would read them whole until they are analysed, and planning takes longer than most
-- statements here. Then takes the lock that longshore.index.extended_tags speaks of; a statement of
-- its own, since only those behind it see what was committed before.
SELECT
    pg_advisory_xact_lock_shared(%(tag_lock)s),
    set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true);

-- name: keep_studies
-- Keeps those of the batch's studies that are there from being deleted until the end, in UID order;
-- waits for deletions under way.
SELECT study.study_key, study.expires_at IS NOT NULL
FROM unnest(%(partition_keys)s::integer[], %(study_uids)s::text[])
    WITH ORDINALITY AS new (partition_key, study_uid, position)
JOIN study USING (study_uid, partition_key)
ORDER BY new.position
FOR KEY SHARE OF study;

-- name: lock_studies
-- Keeps everyone else from adding to those of the batch's studies that are there, in UID order;
-- waits for those who do, as a Delete does.
SELECT study.study_key, study.expires_at IS NOT NULL
FROM unnest(%(partition_keys)s::integer[], %(study_uids)s::text[])
    WITH ORDINALITY AS new (partition_key, study_uid, position)
JOIN study USING (study_uid, partition_key)
ORDER BY new.position
FOR UPDATE OF study;

-- name: look_up
-- The keys of a batch's studies and series, or new keys for those that are not there yet; the
-- positions of the instances that are stored already; a key for the pack, blocks for instances; the version of the extended query tags.
WITH study_found AS MATERIALIZED (
    SELECT
        new.position, study.study_key,
        CASE WHEN study.study_key IS NULL THEN nextval('study_study_key_seq') END AS new_key
    FROM unnest(%(partition_keys)s::integer[], %(study_uids)s::text[])
        WITH ORDINALITY AS new (partition_key, study_uid, position)
    LEFT JOIN study USING (study_uid, partition_key)
), series_found AS MATERIALIZED (
    SELECT
        new.position, series.series_key,
        CASE WHEN series.series_key IS NULL THEN nextval('series_series_key_seq') END AS new_key
    FROM unnest(%(series_study_positions)s::integer[], %(series_uids)s::text[])
        WITH ORDINALITY AS new (study_position, series_uid, position)
    LEFT JOIN study_found ON study_found.position = new.study_position
    LEFT JOIN series ON series.study_key = study_found.study_key
        AND series.series_uid = new.series_uid
)
SELECT
    (SELECT array_agg(study_key ORDER BY position) FROM study_found),
    (SELECT array_agg(new_key ORDER BY position) FROM study_found),
    (SELECT array_agg(series_key ORDER BY position) FROM series_found),
    (SELECT array_agg(new_key ORDER BY position) FROM series_found),
    (
        SELECT array_agg(new.position)
        FROM unnest(%(instance_series_positions)s::integer[], %(sop_instance_uids)s::text[])
            WITH ORDINALITY AS new (series_position, sop_instance_uid, position)
        JOIN series_found ON series_found.position = new.series_position
        JOIN instance ON instance.sop_instance_uid = new.sop_instance_uid
            AND instance.series_key = series_found.series_key
    ),
    nextval('pack_pack_key_seq'),
    (
        SELECT array_agg(nextval('instance_instance_key_seq'))
        FROM generate_series(1, %(block_count)s::integer)
    ),
    (SELECT version FROM extended_query_tag_head WHERE is_only);
