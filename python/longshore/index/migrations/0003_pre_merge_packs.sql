-- Packs wait in a queue to be merged, and a pack remembers when dying began in it.

-- When to look at the pack for merging, counted from its last arrival; null: not again. A constant
-- for the rows that are there, so that adding it rewrites no table.
ALTER TABLE pack ADD COLUMN merge_at timestamptz DEFAULT now();
CREATE INDEX pack_merge_at ON pack (merge_at, pack_key) WHERE merge_at IS NOT NULL;

-- When the first of its dead entries died; null: at dead_at, like the last one.
ALTER TABLE pack ADD COLUMN dead_since timestamptz;
CREATE INDEX pack_dead_since ON pack (COALESCE(dead_since, dead_at), pack_key)
    WHERE dead_at IS NOT NULL;
DROP INDEX pack_dead_at;

COMMENT ON COLUMN pack.created_at IS 'when the youngest entry came, in whatever pack it was then';
