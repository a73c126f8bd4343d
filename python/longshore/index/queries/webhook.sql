-- name: begin
-- Begins at the end of the feed, unless the webhook was on before.
INSERT INTO webhook_position (watermark) SELECT watermark FROM change_head
ON CONFLICT (is_only) DO NOTHING;

-- name: position
-- The last change that was delivered.
SELECT watermark FROM webhook_position;

-- name: move
-- Moves on; never back, and not from where someone else has moved on from.
UPDATE webhook_position SET watermark = %(to)s
WHERE watermark = %(from)s AND %(to)s > %(from)s
RETURNING watermark;
