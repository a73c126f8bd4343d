-- How far the webhook has told the change feed. No row: it was never on.
CREATE TABLE webhook_position (
    watermark bigint NOT NULL, -- the last change that was delivered, or that need not be
    is_only   boolean PRIMARY KEY DEFAULT true CONSTRAINT webhook_position_is_only CHECK (is_only)
);

COMMENT ON COLUMN change.action IS '0 create, 1 delete, 2 update';
