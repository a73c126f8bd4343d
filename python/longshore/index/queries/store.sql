-- name: insert_studies
-- Adds the batch's new studies, in UID order; fails if someone else has added one meanwhile.
INSERT INTO study (
    study_key, partition_key, study_uid, study_date, study_time, patient_birth_date, patient_id,
    patient_name, accession_number, study_id, referring_physician_name, study_description,
    attributes
)
OVERRIDING SYSTEM VALUE
SELECT * FROM unnest(
    %(study_keys)s::bigint[], %(study_partition_keys)s::integer[], %(study_uids)s::text[],
    %(study_dates)s::date[], %(study_times)s::time[], %(patient_birth_dates)s::date[],
    %(patient_ids)s::text[], %(patient_names)s::text[], %(accession_numbers)s::text[],
    %(study_ids)s::text[], %(referring_physician_names)s::text[],
    %(study_descriptions)s::text[], %(study_attributes)s::jsonb[]
);

-- name: insert_series
-- Adds the batch's new series, in UID order, with their counts; fails likewise.
INSERT INTO series (
    series_key, study_key, series_uid, instance_count, series_number,
    performed_procedure_step_start_date, performed_procedure_step_start_time, modality,
    manufacturer_model_name, attributes
)
OVERRIDING SYSTEM VALUE
SELECT * FROM unnest(
    %(series_keys)s::bigint[], %(series_study_keys)s::bigint[], %(series_uids)s::text[],
    %(series_instance_counts)s::integer[], %(series_numbers)s::integer[],
    %(series_start_dates)s::date[], %(series_start_times)s::time[], %(modalities)s::text[],
    %(manufacturer_model_names)s::text[], %(series_attributes)s::jsonb[]
);

-- name: insert_pack
-- Names the pack; fails if the sweep has claimed it.
INSERT INTO pack (pack_key, pack_id, pack_length, live_bytes, entry_count, live_count, dead_at)
OVERRIDING SYSTEM VALUE
VALUES (
    %(pack_key)s::bigint, %(pack_id)s::text, %(pack_length)s::bigint, %(live_bytes)s::bigint,
    %(entry_count)s::integer, %(live_count)s::integer,
    CASE WHEN %(live_count)s::integer < %(entry_count)s::integer THEN now() END
);

-- name: insert_instances
-- Adds instances in UID order; fails if one of them is stored by now.
INSERT INTO instance (
    instance_key, series_key, pack_key, payload_offset, payload_length, segment_offset,
    pixel_offset, frame_bits, segment_length, segment_plain_length, segment_crc32, frame_count,
    instance_number, image_rows, image_columns, number_of_frames, sop_class_key,
    transfer_syntax_key, bits_allocated, has_bulkdata_uri, sop_instance_uid, frame_table
)
OVERRIDING SYSTEM VALUE
SELECT
    new.instance_key, new.series_key, %(pack_key)s::bigint, new.payload_offset,
    new.payload_length, new.segment_offset, new.pixel_offset, new.frame_bits, new.segment_length,
    new.segment_plain_length, new.segment_crc32, new.frame_count, new.instance_number,
    new.image_rows, new.image_columns, new.number_of_frames, new.sop_class_key,
    new.transfer_syntax_key, new.bits_allocated, new.has_bulkdata_uri, new.sop_instance_uid,
    new.frame_table
FROM unnest(
    %(instance_keys)s::bigint[], %(instance_series_keys)s::bigint[],
    %(payload_offsets)s::bigint[], %(payload_lengths)s::bigint[], %(segment_offsets)s::bigint[],
    %(pixel_offsets)s::bigint[], %(frame_bits)s::bigint[], %(segment_lengths)s::integer[],
    %(segment_plain_lengths)s::integer[], %(segment_crc32s)s::integer[],
    %(frame_counts)s::integer[], %(instance_numbers)s::integer[], %(image_rows)s::integer[],
    %(image_columns)s::integer[], %(numbers_of_frames)s::integer[], %(sop_class_keys)s::integer[],
    %(transfer_syntax_keys)s::integer[], %(bits_allocated)s::smallint[],
    %(have_bulkdata_uri)s::boolean[], %(sop_instance_uids)s::text[], %(frame_tables)s::bytea[]
) AS new (
    instance_key, series_key, payload_offset, payload_length, segment_offset, pixel_offset,
    frame_bits, segment_length, segment_plain_length, segment_crc32, frame_count, instance_number,
    image_rows, image_columns, number_of_frames, sop_class_key, transfer_syntax_key,
    bits_allocated, has_bulkdata_uri, sop_instance_uid, frame_table
);

-- name: lock_changed_studies
-- Locks, in UID order, those of the batch's studies whose attributes will change.
SELECT study.study_key
FROM unnest(%(study_keys)s::bigint[], %(study_attributes)s::jsonb[])
    WITH ORDINALITY AS new (study_key, attributes, position)
JOIN study USING (study_key)
WHERE study.attributes || new.attributes <> study.attributes
ORDER BY new.position
FOR NO KEY UPDATE OF study;

-- name: merge_studies
-- The latest value of each attribute wins; an attribute that is absent stays as it was.
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
    %(study_keys)s::bigint[], %(study_dates)s::date[], %(study_times)s::time[],
    %(patient_birth_dates)s::date[], %(patient_ids)s::text[], %(patient_names)s::text[],
    %(accession_numbers)s::text[], %(study_ids)s::text[], %(referring_physician_names)s::text[],
    %(study_descriptions)s::text[], %(study_attributes)s::jsonb[]
) AS new (
    study_key, study_date, study_time, patient_birth_date, patient_id, patient_name,
    accession_number, study_id, referring_physician_name, study_description, attributes
)
WHERE study.study_key = new.study_key
    AND study.attributes || new.attributes <> study.attributes;

-- name: lock_series
-- Locks the batch's series, in UID order, since their counts will change.
SELECT series.series_key
FROM unnest(%(series_keys)s::bigint[]) WITH ORDINALITY AS new (series_key, position)
JOIN series USING (series_key)
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
    %(series_keys)s::bigint[], %(series_instance_counts)s::integer[],
    %(series_numbers)s::integer[], %(series_start_dates)s::date[],
    %(series_start_times)s::time[], %(modalities)s::text[], %(manufacturer_model_names)s::text[],
    %(series_attributes)s::jsonb[]
) AS new (
    series_key, instance_count, series_number, start_date, start_time, modality,
    manufacturer_model_name, attributes
)
WHERE series.series_key = new.series_key;

-- name: set_expiry
-- Says when studies expire, or that they do not: the last Store of a study decides.
UPDATE study SET expires_at = now() + new.after_ms * interval '1 millisecond'
FROM unnest(%(expiring_study_keys)s::bigint[], %(expire_after_ms)s::bigint[])
    AS new (study_key, after_ms)
WHERE study.study_key = new.study_key;

-- name: append_creations
-- Appends one run of changes per block of keys, in order; locks the counter to the end.
WITH head AS (
    UPDATE change_head SET
        watermark = watermark + %(change_count)s::bigint,
        changed_at = greatest(changed_at, clock_timestamp())
    RETURNING watermark - %(change_count)s::bigint AS watermark_before, changed_at
)
INSERT INTO change (watermark, changed_at, instance_key, partition_key, action, run_length)
SELECT
    head.watermark_before + sum(run.length) OVER (ORDER BY run.position), head.changed_at,
    run.last_key, run.partition_key, 0, run.length
FROM head CROSS JOIN unnest(
    %(run_last_keys)s::bigint[], %(run_partition_keys)s::integer[], %(run_lengths)s::integer[]
) WITH ORDINALITY AS run (last_key, partition_key, length, position);
