-- name: operation
-- One operation, and what share of its work is done.
SELECT
    operation_type, status, created_at, updated_at, resources, results,
    CASE
        WHEN status = 'succeeded' THEN 100
        WHEN first_key > 0 THEN (100 * (first_key - below_key) / first_key)::integer
        ELSE 0
    END
FROM operation WHERE operation_id = %(operation_id)s;
