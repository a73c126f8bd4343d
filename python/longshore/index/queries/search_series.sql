-- name: search_series
-- One page of series, newest first, with counts and the newest instance of each where wanted.
SELECT
    page.study_uid,
    CASE WHEN %(wants_study)s THEN page.study_attributes::text END AS study_attributes,
    page.series_uid,
    CASE WHEN %(wants_series)s THEN page.attributes::text END AS series_attributes,
    page.instance_count AS series_instance_count,
    counts.*,
    newest.sop_instance_uid, newest.instance_number, newest.number_of_frames,
    newest.image_rows, newest.image_columns, newest.bits_allocated,
    sop_class.uid AS sop_class_uid, transfer_syntax.uid AS transfer_syntax_uid,
    pack.pack_id, newest.segment_offset, newest.segment_length, newest.segment_plain_length
FROM (
    SELECT
        series.series_key, series.study_key, series.series_uid, series.attributes,
        series.instance_count, study.study_uid, study.attributes AS study_attributes
    FROM series
    JOIN study ON study.study_key = series.study_key
    WHERE {conditions}
    ORDER BY series.series_key DESC
    LIMIT %(limit)s OFFSET %(skip)s
) AS page
LEFT JOIN LATERAL (
    SELECT
        count(*) AS series_count,
        sum(series.instance_count) AS study_instance_count,
        array_agg(DISTINCT series.attributes -> '00080060' -> 'Value' ->> 0) AS modalities
    FROM series
    WHERE series.study_key = page.study_key
) AS counts ON %(wants_counts)s
LEFT JOIN LATERAL (
    SELECT
        instance.pack_key, instance.sop_instance_uid, instance.instance_number,
        instance.number_of_frames, instance.image_rows, instance.image_columns,
        instance.bits_allocated, instance.sop_class_key, instance.transfer_syntax_key,
        instance.segment_offset, instance.segment_length, instance.segment_plain_length
    FROM instance
    WHERE instance.series_key = page.series_key
    ORDER BY instance.instance_key DESC
    LIMIT 1
) AS newest ON %(wants_newest)s
LEFT JOIN pack ON pack.pack_key = newest.pack_key
LEFT JOIN uid_name AS sop_class ON sop_class.uid_key = newest.sop_class_key
LEFT JOIN uid_name AS transfer_syntax ON transfer_syntax.uid_key = newest.transfer_syntax_key
ORDER BY page.series_key DESC
