-- name: read_list
-- The list's version and the tags whose values are indexed, all as they were at one moment.
SELECT
    head.version, tag.tag_key, tag.path, tag.vr, tag.private_creator, tag.level, tag.status,
    tag.query_status, tag.error_count, tag.operation_id
FROM extended_query_tag_head AS head
LEFT JOIN extended_query_tag AS tag ON tag.status <> 'deleting'
ORDER BY tag.tag_key;

-- name: glance
-- The list's version, and whether there is work to do in the background.
SELECT
    head.version,
    EXISTS (
        SELECT FROM operation
        WHERE operation_type = 'reindex' AND status IN ('notStarted', 'running')
    ) OR EXISTS (SELECT FROM extended_query_tag WHERE status = 'deleting')
FROM extended_query_tag_head AS head;

-- name: tags_page
-- A page of tags, in the order in which they were added; one tag if a path is given.
SELECT
    tag_key, path, vr, private_creator, level, status, query_status, error_count, operation_id
FROM extended_query_tag
WHERE status <> 'deleting' AND path = COALESCE(%(path)s, path)
ORDER BY tag_key
LIMIT %(limit)s OFFSET %(skip)s;

-- name: errors_page
-- A page of a tag's errors, the oldest first, with the instances they are about.
SELECT
    partition.partition_name, study.study_uid, series.series_uid, instance.sop_instance_uid,
    error.created_at, error.message
FROM extended_query_tag_error AS error
JOIN instance USING (instance_key)
JOIN series USING (series_key)
JOIN study USING (study_key)
JOIN partition USING (partition_key)
WHERE error.tag_key = %(tag_key)s
ORDER BY error.created_at, error.instance_key
LIMIT %(limit)s OFFSET %(skip)s;

-- name: next_version
-- Begins a new version of the list; whoever else changes it waits until the end.
UPDATE extended_query_tag_head SET version = version + 1 RETURNING version;

-- name: running_reindex
-- The operation that indexes other tags, if there is one.
SELECT operation_id FROM operation
WHERE operation_type = 'reindex' AND status IN ('notStarted', 'running');

-- name: known_paths
-- How many tags there are, and how many of these paths are among them.
SELECT count(*), count(*) FILTER (WHERE path = ANY (%(paths)s))
FROM extended_query_tag WHERE status <> 'deleting';

-- name: insert_operation
-- Asks for the new tags to be indexed.
INSERT INTO operation (operation_id, operation_type, resources)
VALUES (%(operation_id)s, 'reindex', %(paths)s);

-- name: insert_tags
-- Adds the tags, in the order given.
INSERT INTO extended_query_tag (operation_id, path, vr, private_creator, level)
SELECT %(operation_id)s, new.path, new.vr, new.private_creator, new.level
FROM unnest(%(paths)s::text[], %(vrs)s::text[], %(private_creators)s::text[], %(levels)s::text[])
    WITH ORDINALITY AS new (path, vr, private_creator, level, position)
ORDER BY new.position;

-- name: set_query_status
-- Lets a tag be searched by, or not.
UPDATE extended_query_tag SET query_status = %(query_status)s
WHERE path = %(path)s AND status <> 'deleting'
RETURNING
    tag_key, path, vr, private_creator, level, status, query_status, error_count, operation_id;

-- name: remove_tag
-- Removes a tag for everyone; its values go in the background.
UPDATE extended_query_tag SET status = 'deleting'
WHERE path = %(path)s AND status = 'ready'
RETURNING tag_key;
