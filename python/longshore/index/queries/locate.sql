-- name: study_instances
-- The instances of a study; one row without one if there are none, no row without the study.
SELECT series.series_uid, instance.*
FROM study
LEFT JOIN series ON series.study_key = study.study_key
LEFT JOIN instance ON instance.series_key = series.series_key
WHERE study.study_uid = %(study_uid)s AND study.partition_key = %(partition_key)s

-- name: series_instances
-- The instances of a series, likewise; a row without a series UID if only the study is there.
SELECT series.series_uid, instance.*
FROM study
LEFT JOIN series ON series.study_key = study.study_key AND series.series_uid = %(series_uid)s
LEFT JOIN instance ON instance.series_key = series.series_key
WHERE study.study_uid = %(study_uid)s AND study.partition_key = %(partition_key)s

-- name: one_instance
-- One instance, likewise.
SELECT series.series_uid, instance.*
FROM study
LEFT JOIN series ON series.study_key = study.study_key AND series.series_uid = %(series_uid)s
LEFT JOIN instance ON instance.series_key = series.series_key
    AND instance.sop_instance_uid = %(sop_instance_uid)s
WHERE study.study_uid = %(study_uid)s AND study.partition_key = %(partition_key)s

-- name: located
-- Where the instances found lie, by series and instance number.
SELECT
    found.instance_key, found.series_uid, found.sop_instance_uid, sop_class.uid,
    transfer_syntax.uid, pack.pack_id, found.payload_offset, found.payload_length,
    found.segment_offset, found.segment_length, found.segment_plain_length, found.segment_crc32,
    found.has_bulkdata_uri, found.frame_count, found.bits_allocated
FROM found
LEFT JOIN pack USING (pack_key)
LEFT JOIN uid_name AS sop_class ON sop_class.uid_key = found.sop_class_key
LEFT JOIN uid_name AS transfer_syntax ON transfer_syntax.uid_key = found.transfer_syntax_key
ORDER BY found.series_key, found.instance_number NULLS LAST, found.instance_key

-- name: located_frames
-- Of one instance the same row, how its frames lie, and of compressed ones the frame table's entries
-- of those asked for. Written out, since it is asked for by the thousand.
SELECT
    found.instance_key, found.series_uid, found.sop_instance_uid, sop_class.uid,
    transfer_syntax.uid, pack.pack_id, found.payload_offset, found.payload_length,
    found.segment_offset, found.segment_length, found.segment_plain_length, found.segment_crc32,
    found.has_bulkdata_uri, found.frame_count, found.bits_allocated,
    found.pixel_offset, found.frame_bits,
    CASE WHEN found.pixel_offset IS NULL THEN (
        SELECT array_agg(
            substring(found.frame_table FROM (12 * (asked.number - 1) + 1)::integer FOR 12)
            ORDER BY asked.position
        )
        FROM unnest(%(frame_numbers)s::bigint[]) WITH ORDINALITY AS asked (number, position)
        WHERE asked.number <= found.frame_count
    ) END
FROM found
LEFT JOIN pack USING (pack_key)
LEFT JOIN uid_name AS sop_class ON sop_class.uid_key = found.sop_class_key
LEFT JOIN uid_name AS transfer_syntax ON transfer_syntax.uid_key = found.transfer_syntax_key

-- name: located_pixels
-- The rows of located, how the instances' frames lie, and their whole frame tables.
SELECT located.*, found.pixel_offset, found.frame_bits, found.frame_table
FROM located JOIN found USING (instance_key)
ORDER BY found.series_key, found.instance_number NULLS LAST, found.instance_key
