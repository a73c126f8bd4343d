-- The change feed in runs: one row says that n instances with consecutive keys were stored at once.
-- A batch takes its keys in blocks, so that they are consecutive whatever others store meanwhile.

-- Changes of the row: the one at `watermark`, of `instance_key`, and the run_length - 1 before it,
-- whose watermarks and keys count down from these.
ALTER TABLE change ADD COLUMN run_length integer NOT NULL DEFAULT 1
    CONSTRAINT change_run_is_one_block CHECK (run_length BETWEEN 1 AND 1024);

-- Each value begins a block: longshore.index.store_look_up.KEY_BLOCK.
ALTER SEQUENCE instance_instance_key_seq INCREMENT BY 1024;
