-- name: take_turn
-- True for one session at a time.
SELECT pg_try_advisory_lock(%(lock)s);

-- name: end_turn
-- Lets another session have its turn.
SELECT pg_advisory_unlock(%(lock)s);
