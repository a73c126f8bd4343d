-- name: find_partition
-- The key of a partition.
SELECT partition_key FROM partition WHERE partition_name = %(partition_name)s;

-- name: add_partition
-- Adds a partition, unless someone else just did.
INSERT INTO partition (partition_name) VALUES (%(partition_name)s)
ON CONFLICT (partition_name) DO NOTHING;

-- name: list_partitions
-- All partitions, oldest first.
SELECT partition_key, partition_name, created_at FROM partition ORDER BY partition_key;

-- name: has_other_partitions
-- Whether there are partitions besides the default one.
SELECT EXISTS (SELECT FROM partition WHERE partition_key <> %(default_key)s);
