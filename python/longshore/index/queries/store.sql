-- name: find_existing
-- The positions of those entries of a batch that are stored already.
SELECT new.position
FROM unnest(
    %(partition_keys)s::integer[], %(study_uids)s::text[],
    %(series_uids)s::text[], %(sop_instance_uids)s::text[]
) WITH ORDINALITY AS new (partition_key, study_uid, series_uid, sop_instance_uid, position)
JOIN study USING (study_uid, partition_key)
JOIN series USING (study_key, series_uid)
JOIN instance USING (sop_instance_uid, series_key);

-- name: find_uid_names
-- The keys of the names that are known.
SELECT uid, uid_key FROM uid_name WHERE uid = ANY (%(uids)s);

-- name: insert_uid_names
-- Adds names that were not known; keys are not used up for those that are by now.
INSERT INTO uid_name (uid)
SELECT uid FROM unnest(%(uids)s::text[]) AS new (uid)
WHERE NOT EXISTS (SELECT FROM uid_name WHERE uid_name.uid = new.uid)
ON CONFLICT DO NOTHING;

-- name: keep_studies
-- Keeps those of the batch's studies that are there from being deleted until the end, in UID order;
-- waits for deletions under way.
SELECT study.study_key
FROM unnest(%(study_partition_keys)s::integer[], %(study_uids)s::text[])
    AS new (partition_key, study_uid)
JOIN study USING (study_uid, partition_key)
ORDER BY study.study_uid, study.partition_key
FOR KEY SHARE OF study;

-- name: insert_studies
-- Adds the batch's studies that are not there yet, in UID order.
INSERT INTO study (
    partition_key, study_uid, study_date, study_time, patient_birth_date, patient_id,
    patient_name, accession_number, study_id, referring_physician_name, study_description,
    attributes
)
SELECT * FROM unnest(
    %(study_partition_keys)s::integer[], %(study_uids)s::text[], %(study_dates)s::date[],
    %(study_times)s::time[], %(patient_birth_dates)s::date[], %(patient_ids)s::text[],
    %(patient_names)s::text[], %(accession_numbers)s::text[], %(study_ids)s::text[],
    %(referring_physician_names)s::text[], %(study_descriptions)s::text[],
    %(study_attributes)s::jsonb[]
)
ON CONFLICT DO NOTHING;

-- name: insert_series
-- Adds the batch's series that are not there yet, in UID order, and keeps the studies that someone
-- else has just added; fails where such a study is deleted already.
WITH kept AS (
    SELECT study.study_key, study.study_uid, study.partition_key
    FROM unnest(%(study_partition_keys)s::integer[], %(study_uids)s::text[])
        AS new (partition_key, study_uid)
    JOIN study USING (study_uid, partition_key)
    ORDER BY study.study_uid, study.partition_key
    FOR KEY SHARE OF study
)
INSERT INTO series (
    study_key, series_uid, series_number, performed_procedure_step_start_date,
    performed_procedure_step_start_time, modality, manufacturer_model_name, attributes
)
SELECT
    kept.study_key, new.series_uid, new.series_number, new.start_date, new.start_time,
    new.modality, new.manufacturer_model_name, new.attributes
FROM unnest(
    %(series_partition_keys)s::integer[], %(series_study_uids)s::text[], %(series_uids)s::text[],
    %(series_numbers)s::integer[], %(series_start_dates)s::date[], %(series_start_times)s::time[],
    %(modalities)s::text[], %(manufacturer_model_names)s::text[], %(series_attributes)s::jsonb[]
) WITH ORDINALITY AS new (
    partition_key, study_uid, series_uid, series_number, start_date, start_time, modality,
    manufacturer_model_name, attributes, position
)
LEFT JOIN kept USING (study_uid, partition_key)
ORDER BY new.position
ON CONFLICT DO NOTHING;

-- name: insert_pack
-- Names the pack; fails if the sweep has claimed it.
INSERT INTO pack (pack_id, pack_length, live_bytes, entry_count, live_count, dead_at)
VALUES (
    %(pack_id)s, %(pack_length)s, %(live_bytes)s, %(entry_count)s, %(live_count)s,
    CASE WHEN %(live_count)s < %(entry_count)s THEN now() END
);

-- name: insert_instances
-- Adds the batch's instances in UID order; fails if one of them is stored by now.
INSERT INTO instance (
    series_key, pack_key, payload_offset, payload_length, segment_offset, pixel_offset, frame_bits,
    segment_length, segment_plain_length, segment_crc32, frame_count, instance_number, image_rows,
    image_columns, number_of_frames, sop_class_key, transfer_syntax_key, bits_allocated,
    has_bulkdata_uri, sop_instance_uid, frame_table
)
SELECT
    series.series_key, pack.pack_key, new.payload_offset, new.payload_length, new.segment_offset,
    new.pixel_offset, new.frame_bits, new.segment_length, new.segment_plain_length,
    new.segment_crc32, new.frame_count, new.instance_number, new.image_rows, new.image_columns,
    new.number_of_frames, new.sop_class_key, new.transfer_syntax_key, new.bits_allocated,
    new.has_bulkdata_uri, new.sop_instance_uid, new.frame_table
FROM unnest(
    %(partition_keys)s::integer[], %(instance_study_uids)s::text[],
    %(instance_series_uids)s::text[], %(sop_instance_uids)s::text[], %(payload_offsets)s::bigint[],
    %(payload_lengths)s::bigint[], %(segment_offsets)s::bigint[], %(pixel_offsets)s::bigint[],
    %(frame_bits)s::bigint[], %(segment_lengths)s::integer[], %(segment_plain_lengths)s::integer[],
    %(segment_crc32s)s::integer[], %(frame_counts)s::integer[], %(instance_numbers)s::integer[],
    %(image_rows)s::integer[], %(image_columns)s::integer[], %(numbers_of_frames)s::integer[],
    %(sop_class_keys)s::integer[], %(transfer_syntax_keys)s::integer[],
    %(bits_allocated)s::smallint[], %(have_bulkdata_uri)s::boolean[], %(frame_tables)s::bytea[]
) WITH ORDINALITY AS new (
    partition_key, study_uid, series_uid, sop_instance_uid, payload_offset, payload_length,
    segment_offset, pixel_offset, frame_bits, segment_length, segment_plain_length, segment_crc32,
    frame_count, instance_number, image_rows, image_columns, number_of_frames, sop_class_key,
    transfer_syntax_key, bits_allocated, has_bulkdata_uri, frame_table, position
)
JOIN pack ON pack.pack_id = %(pack_id)s
LEFT JOIN study USING (study_uid, partition_key)
LEFT JOIN series USING (study_key, series_uid)
ORDER BY new.position;

-- name: lock_changed_studies
-- Locks those of the batch's studies that the batch says something new about, in UID order.
SELECT study.study_key
FROM unnest(
    %(study_partition_keys)s::integer[], %(study_uids)s::text[], %(study_attributes)s::jsonb[]
) AS new (partition_key, study_uid, attributes)
JOIN study USING (study_uid, partition_key)
WHERE study.attributes || new.attributes <> study.attributes
ORDER BY study.study_uid, study.partition_key
FOR NO KEY UPDATE OF study;

-- name: merge_studies
-- Lets the latest value of each attribute win; what a batch does not say stays.
UPDATE study SET
    study_date = COALESCE(new.study_date, study.study_date),
    study_time = COALESCE(new.study_time, study.study_time),
    patient_birth_date = COALESCE(new.patient_birth_date, study.patient_birth_date),
    patient_id = COALESCE(new.patient_id, study.patient_id),
    patient_name = COALESCE(new.patient_name, study.patient_name),
    accession_number = COALESCE(new.accession_number, study.accession_number),
    study_id = COALESCE(new.study_id, study.study_id),
    referring_physician_name
        = COALESCE(new.referring_physician_name, study.referring_physician_name),
    study_description = COALESCE(new.study_description, study.study_description),
    attributes = study.attributes || new.attributes
FROM unnest(
    %(study_partition_keys)s::integer[], %(study_uids)s::text[], %(study_dates)s::date[],
    %(study_times)s::time[], %(patient_birth_dates)s::date[], %(patient_ids)s::text[],
    %(patient_names)s::text[], %(accession_numbers)s::text[], %(study_ids)s::text[],
    %(referring_physician_names)s::text[], %(study_descriptions)s::text[],
    %(study_attributes)s::jsonb[]
) AS new (
    partition_key, study_uid, study_date, study_time, patient_birth_date, patient_id,
    patient_name, accession_number, study_id, referring_physician_name, study_description,
    attributes
)
WHERE study.study_uid = new.study_uid AND study.partition_key = new.partition_key
    AND study.attributes || new.attributes <> study.attributes;

-- name: lock_series
-- Locks the batch's series, in UID order, since their counts will change.
SELECT series.series_key
FROM unnest(
    %(series_partition_keys)s::integer[], %(series_study_uids)s::text[], %(series_uids)s::text[]
) WITH ORDINALITY AS new (partition_key, study_uid, series_uid, position)
JOIN study USING (study_uid, partition_key)
JOIN series USING (study_key, series_uid)
ORDER BY new.position
FOR NO KEY UPDATE OF series;

-- name: merge_series
-- Counts the batch's instances; the latest value of each attribute wins, as for studies.
UPDATE series SET
    instance_count = series.instance_count + new.instance_count,
    series_number = COALESCE(new.series_number, series.series_number),
    performed_procedure_step_start_date
        = COALESCE(new.start_date, series.performed_procedure_step_start_date),
    performed_procedure_step_start_time
        = COALESCE(new.start_time, series.performed_procedure_step_start_time),
    modality = COALESCE(new.modality, series.modality),
    manufacturer_model_name
        = COALESCE(new.manufacturer_model_name, series.manufacturer_model_name),
    -- Left as it is, it is not written out of line again.
    attributes = CASE
        WHEN series.attributes || new.attributes = series.attributes THEN series.attributes
        ELSE series.attributes || new.attributes
    END
FROM unnest(
    %(series_partition_keys)s::integer[], %(series_study_uids)s::text[], %(series_uids)s::text[],
    %(series_instance_counts)s::integer[], %(series_numbers)s::integer[],
    %(series_start_dates)s::date[], %(series_start_times)s::time[], %(modalities)s::text[],
    %(manufacturer_model_names)s::text[], %(series_attributes)s::jsonb[]
) AS new (
    partition_key, study_uid, series_uid, instance_count, series_number, start_date, start_time,
    modality, manufacturer_model_name, attributes
)
JOIN study USING (study_uid, partition_key)
WHERE series.study_key = study.study_key AND series.series_uid = new.series_uid;

-- name: append_creations
-- Appends one change per instance of the pack, in pack order; locks the counter to the end.
WITH stored AS (
    SELECT instance_key, partition_key, row_number() OVER (ORDER BY payload_offset) AS position
    FROM instance
    JOIN pack USING (pack_key)
    JOIN series USING (series_key)
    JOIN study USING (study_key)
    WHERE pack_id = %(pack_id)s
), head AS (
    UPDATE change_head SET
        watermark = watermark + (SELECT count(*) FROM stored),
        changed_at = greatest(changed_at, clock_timestamp())
    RETURNING watermark, changed_at
)
INSERT INTO change (watermark, changed_at, instance_key, partition_key, action)
SELECT
    head.watermark - (SELECT count(*) FROM stored) + stored.position, head.changed_at,
    stored.instance_key, stored.partition_key, 0
FROM stored CROSS JOIN head;
