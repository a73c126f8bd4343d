-- name: locate
-- Where the instances of a study, series or instance lie; whether their parents exist at all.
SELECT
    instance.instance_key, series.series_uid, instance.sop_instance_uid, sop_class.uid,
    transfer_syntax.uid, pack.pack_id, instance.payload_offset, instance.payload_length,
    instance.segment_offset, instance.segment_length, instance.segment_plain_length,
    instance.segment_crc32, instance.has_bulkdata_uri, instance.frame_count,
    instance.bits_allocated
FROM study
LEFT JOIN series ON series.study_key = study.study_key
    AND (%(series_uid)s::text IS NULL OR series.series_uid = %(series_uid)s)
LEFT JOIN instance ON instance.series_key = series.series_key
    AND (%(sop_instance_uid)s::text IS NULL OR instance.sop_instance_uid = %(sop_instance_uid)s)
LEFT JOIN pack USING (pack_key)
LEFT JOIN uid_name AS sop_class ON sop_class.uid_key = instance.sop_class_key
LEFT JOIN uid_name AS transfer_syntax
    ON transfer_syntax.uid_key = instance.transfer_syntax_key
WHERE study.study_uid = %(study_uid)s AND study.partition_key = %(partition_key)s
ORDER BY series.series_key, instance.instance_number NULLS LAST, instance.instance_key;

-- name: locate_frames
-- How an instance's frames lie, and the table's entries of those asked for, in the order asked.
SELECT
    instance.pixel_offset, instance.frame_bits,
    (
        SELECT array_agg(
            substring(instance.frame_table FROM (12 * (asked.number - 1) + 1)::integer FOR 12)
            ORDER BY asked.position
        )
        FROM unnest(%(frame_numbers)s::bigint[]) WITH ORDINALITY AS asked (number, position)
        WHERE asked.number <= instance.frame_count
    )
FROM instance
WHERE instance.instance_key = %(instance_key)s;
