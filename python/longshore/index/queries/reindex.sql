-- name: stores_under_way
-- The Stores that may have read the list of tags before this moment.
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = %(tag_lock)s;

-- name: next_reindex
-- The operation to go on with, and how long ago it was asked for, in seconds.
SELECT
    operation_id, below_key,
    extract(epoch FROM clock_timestamp() - created_at)::double precision
FROM operation
WHERE operation_type = 'reindex' AND status IN ('notStarted', 'running')
ORDER BY created_at LIMIT 1;

-- name: begin_reindex
-- Begins behind the newest instance.
UPDATE operation SET
    status = 'running', updated_at = clock_timestamp(), below_key = newest.below_key,
    first_key = newest.below_key
FROM (SELECT COALESCE(max(instance_key), 0) + 1 AS below_key FROM instance) AS newest
WHERE operation_id = %(operation_id)s
RETURNING newest.below_key;

-- name: tags_of_operation
-- The tags that an operation indexes.
SELECT
    tag_key, path, vr, private_creator, level, status, query_status, error_count, operation_id
FROM extended_query_tag
WHERE operation_id = %(operation_id)s AND status = 'adding'
ORDER BY tag_key;

-- name: next_instances
-- The instances below a key, the highest first, and where their metadata lies.
SELECT
    instance.instance_key, instance.sop_instance_uid, pack.pack_id, instance.segment_offset,
    instance.segment_length, instance.segment_plain_length, instance.segment_crc32
FROM instance JOIN pack USING (pack_key)
WHERE instance.instance_key < %(below_key)s
ORDER BY instance.instance_key DESC
LIMIT %(limit)s;

-- name: keep_studies
-- Keeps the instances' studies from being deleted until the end, in UID order.
SELECT study.study_key FROM study
WHERE study_key IN (
    SELECT series.study_key FROM instance
    JOIN series USING (series_key)
    WHERE instance.instance_key = ANY (%(instance_keys)s::bigint[])
)
ORDER BY study_uid, partition_key
FOR KEY SHARE;

-- name: find_owners
-- Those of the instances that are still there, with the keys of their studies and series.
SELECT series.study_key, instance.series_key, instance.instance_key
FROM instance JOIN series USING (series_key)
WHERE instance.instance_key = ANY (%(instance_keys)s::bigint[]);

-- name: insert_errors
-- Notes what could not be indexed, once for each tag and instance. A tag with errors is not searched
-- by until somebody says so.
WITH noted AS (
    INSERT INTO extended_query_tag_error (tag_key, instance_key, message)
    SELECT * FROM unnest(%(tag_keys)s::integer[], %(instance_keys)s::bigint[], %(messages)s::text[])
    ON CONFLICT DO NOTHING
    RETURNING tag_key
)
UPDATE extended_query_tag AS tag SET
    error_count = tag.error_count + counted.error_count,
    query_status = 'disabled'
FROM (SELECT tag_key, count(*) AS error_count FROM noted GROUP BY tag_key) AS counted
WHERE tag.tag_key = counted.tag_key;

-- name: go_down
-- Moves the operation's place, unless another process has moved it.
UPDATE operation SET below_key = %(below_key)s, updated_at = clock_timestamp()
WHERE operation_id = %(operation_id)s AND below_key = %(before_key)s AND status = 'running'
RETURNING true;

-- name: finish_tags
-- Makes the operation's tags searchable.
UPDATE extended_query_tag SET status = 'ready', operation_id = NULL
WHERE operation_id = %(operation_id)s AND status = 'adding';

-- name: finish_operation
-- Ends the operation.
UPDATE operation SET status = 'succeeded', updated_at = clock_timestamp(), below_key = 0
WHERE operation_id = %(operation_id)s AND status = 'running';

-- name: removed_tags
-- The tags whose values are to go.
SELECT tag_key FROM extended_query_tag WHERE status = 'deleting' ORDER BY tag_key;

-- name: delete_values
-- Deletes some of a tag's values.
DELETE FROM extended_value
WHERE tag_key = %(tag_key)s AND owner_key IN (
    SELECT owner_key FROM extended_value WHERE tag_key = %(tag_key)s
    ORDER BY owner_key LIMIT %(limit)s
);

-- name: delete_errors
-- Deletes a removed tag's errors.
DELETE FROM extended_query_tag_error WHERE tag_key = %(tag_key)s;

-- name: delete_tag
-- Forgets a removed tag.
DELETE FROM extended_query_tag WHERE tag_key = %(tag_key)s AND status = 'deleting';
