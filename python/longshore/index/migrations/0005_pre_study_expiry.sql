-- Studies may be stored for a time only.

-- When the study is to be deleted; null: never. The last Store of the study decides.
ALTER TABLE study ADD COLUMN expires_at timestamptz;
CREATE INDEX study_expires_at ON study (expires_at) WHERE expires_at IS NOT NULL;
