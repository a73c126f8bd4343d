-- name: search_studies
-- One page of studies in the order asked for, with counts and the newest instance of each
-- where wanted.
SELECT
    {order_names},
    page.study_uid,
    CASE WHEN %(wants_study)s THEN page.attributes::text END AS study_attributes,
    newest.series_uid,
    newest.series_attributes::text AS series_attributes,
    counts.*,
    newest.sop_instance_uid, newest.instance_number, newest.number_of_frames,
    newest.image_rows, newest.image_columns, newest.bits_allocated,
    sop_class.uid AS sop_class_uid, transfer_syntax.uid AS transfer_syntax_uid,
    pack.pack_id, newest.segment_offset, newest.segment_length, newest.segment_plain_length
FROM (
    SELECT {order_columns}, study.study_key, study.study_uid, study.attributes
    FROM study
    WHERE {conditions}
    ORDER BY {order}
    LIMIT %(limit)s OFFSET %(skip)s
) AS page
LEFT JOIN LATERAL (
    SELECT
        count(*) AS series_count,
        sum(series.instance_count) AS study_instance_count,
        array_agg(
            series.attributes -> '00080060' -> 'Value' ->> 0 ORDER BY series.series_key DESC
        ) AS modalities
    FROM series
    WHERE series.study_key = page.study_key
) AS counts ON %(wants_counts)s
LEFT JOIN LATERAL (
    -- One index probe a series, however many instances it has.
    SELECT series.series_uid, series.attributes AS series_attributes, latest.*
    FROM series
    CROSS JOIN LATERAL (
        SELECT
            instance.instance_key, instance.pack_key, instance.sop_instance_uid,
            instance.instance_number, instance.number_of_frames, instance.image_rows,
            instance.image_columns, instance.bits_allocated, instance.sop_class_key,
            instance.transfer_syntax_key, instance.segment_offset, instance.segment_length,
            instance.segment_plain_length
        FROM instance
        WHERE instance.series_key = series.series_key
        ORDER BY instance.instance_key DESC
        LIMIT 1
    ) AS latest
    WHERE series.study_key = page.study_key
    ORDER BY latest.instance_key DESC
    LIMIT 1
) AS newest ON %(wants_newest)s
LEFT JOIN pack ON pack.pack_key = newest.pack_key
LEFT JOIN uid_name AS sop_class ON sop_class.uid_key = newest.sop_class_key
LEFT JOIN uid_name AS transfer_syntax ON transfer_syntax.uid_key = newest.transfer_syntax_key
ORDER BY {order};

-- name: search_series
-- One page of series in the order asked for, with counts and the newest instance of each
-- where wanted.
SELECT
    {order_names},
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
        {order_columns}, series.series_key, series.study_key, series.series_uid, series.attributes,
        series.instance_count, study.study_uid, study.attributes AS study_attributes
    FROM series
    JOIN study ON study.study_key = series.study_key
    WHERE {conditions}
    ORDER BY {order}
    LIMIT %(limit)s OFFSET %(skip)s
) AS page
LEFT JOIN LATERAL (
    SELECT
        count(*) AS series_count,
        sum(series.instance_count) AS study_instance_count,
        array_agg(
            series.attributes -> '00080060' -> 'Value' ->> 0 ORDER BY series.series_key DESC
        ) AS modalities
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
ORDER BY {order};

-- name: search_instances
-- One page of instances in the order asked for, with the counts of their studies where wanted.
SELECT
    {order_names},
    page.study_uid,
    CASE WHEN %(wants_study)s THEN page.study_attributes::text END AS study_attributes,
    page.series_uid,
    CASE WHEN %(wants_series)s THEN page.series_attributes::text END AS series_attributes,
    page.instance_count AS series_instance_count,
    counts.*,
    page.sop_instance_uid, page.instance_number, page.number_of_frames,
    page.image_rows, page.image_columns, page.bits_allocated,
    sop_class.uid AS sop_class_uid, transfer_syntax.uid AS transfer_syntax_uid,
    pack.pack_id, page.segment_offset, page.segment_length, page.segment_plain_length
FROM (
    SELECT
        {order_columns}, instance.pack_key, instance.sop_instance_uid,
        instance.instance_number, instance.number_of_frames, instance.image_rows,
        instance.image_columns, instance.bits_allocated, instance.sop_class_key,
        instance.transfer_syntax_key, instance.segment_offset, instance.segment_length,
        instance.segment_plain_length,
        series.study_key, series.series_uid, series.instance_count,
        series.attributes AS series_attributes,
        study.study_uid, study.attributes AS study_attributes
    FROM instance
    JOIN series ON series.series_key = instance.series_key
    JOIN study ON study.study_key = series.study_key
    WHERE {conditions}
    ORDER BY {order}
    LIMIT %(limit)s OFFSET %(skip)s
) AS page
LEFT JOIN LATERAL (
    SELECT
        count(*) AS series_count,
        sum(series.instance_count) AS study_instance_count,
        array_agg(
            series.attributes -> '00080060' -> 'Value' ->> 0 ORDER BY series.series_key DESC
        ) AS modalities
    FROM series
    WHERE series.study_key = page.study_key
) AS counts ON %(wants_counts)s
LEFT JOIN pack ON pack.pack_key = page.pack_key AND %(wants_newest)s
LEFT JOIN uid_name AS sop_class ON sop_class.uid_key = page.sop_class_key
LEFT JOIN uid_name AS transfer_syntax ON transfer_syntax.uid_key = page.transfer_syntax_key
ORDER BY {order};

-- name: count_studies
-- How many studies meet the conditions.
SELECT count(*) FROM study WHERE {conditions};

-- name: count_series
-- How many series meet the conditions.
SELECT count(*)
FROM series
JOIN study ON study.study_key = series.study_key
WHERE {conditions};

-- name: count_instances
-- How many instances meet the conditions.
SELECT count(*)
FROM instance
JOIN series ON series.series_key = instance.series_key
JOIN study ON study.study_key = series.study_key
WHERE {conditions};
