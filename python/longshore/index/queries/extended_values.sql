-- name: insert_values
-- Adds what instances have in extended query tags, in the order of the rows' keys; of a study or a
-- series the value of the instance with the highest key stays.
INSERT INTO extended_value AS known (
    tag_key, owner_key, instance_key, text_value, name_value, integer_value, double_value, date_value,
    time_value, datetime_value
)
SELECT * FROM unnest(
    %(value_tag_keys)s::integer[], %(value_owner_keys)s::bigint[],
    %(value_instance_keys)s::bigint[], %(text_values)s::text[], %(name_values)s::text[], %(integer_values)s::bigint[],
    %(double_values)s::double precision[], %(date_values)s::date[], %(time_values)s::time[],
    %(datetime_values)s::timestamp[]
)
ON CONFLICT (tag_key, owner_key) DO UPDATE SET
    instance_key = EXCLUDED.instance_key,
    text_value = EXCLUDED.text_value,
    name_value = EXCLUDED.name_value,
    integer_value = EXCLUDED.integer_value,
    double_value = EXCLUDED.double_value,
    date_value = EXCLUDED.date_value,
    time_value = EXCLUDED.time_value,
    datetime_value = EXCLUDED.datetime_value
WHERE known.instance_key < EXCLUDED.instance_key;
