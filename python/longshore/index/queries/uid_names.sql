-- name: find_uid_names
-- The keys of the names that are known.
SELECT uid, uid_key FROM uid_name WHERE uid = ANY (%(uids)s::text[]);

-- name: insert_uid_names
-- Adds names that were not known; keys are not used up for those that are by now.
INSERT INTO uid_name (uid)
SELECT uid FROM unnest(%(uids)s::text[]) AS new (uid)
WHERE NOT EXISTS (SELECT FROM uid_name WHERE uid_name.uid = new.uid)
ON CONFLICT DO NOTHING;
