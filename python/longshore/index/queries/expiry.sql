-- name: due_studies
-- Studies whose time is over, the longest due first.
SELECT partition_key, study_uid FROM study
WHERE expires_at <= now()
ORDER BY expires_at
LIMIT %(limit)s;
