-- Wildcards and parts of names find their studies by an index, and requests by their IDs.
-- Nothing of it needs an extension: trigrams are an array, and GIN knows arrays.

-- Delimiters behind the last component and group of a name say nothing: keys do without.
UPDATE study SET
    patient_name = rtrim(regexp_replace(patient_name, '[\^ ]+(=|$)', '\1', 'g'), '='),
    referring_physician_name
        = rtrim(regexp_replace(referring_physician_name, '[\^ ]+(=|$)', '\1', 'g'), '=')
WHERE patient_name ~ '[\^ =](=|$)' OR referring_physician_name ~ '[\^ =](=|$)';

-- Lists of studies come with the latest first, and those without a date last.
DROP INDEX study_study_date;
CREATE INDEX study_study_date ON study (study_date DESC NULLS LAST, study_key DESC);

-- The runs of three characters of a text of match keys. Words stand between single spaces, the
-- delimiters of names too, so that a run also tells where a word begins or ends.
CREATE FUNCTION trigrams(keys text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    COST 10000 -- a plan that computes it for every row is no good plan
RETURN ARRAY(
    SELECT substr(words, place, 3)
    FROM regexp_replace(' ' || keys || ' ', '[ ^=]+', ' ', 'g') AS words,
        generate_series(1, length(words) - 2) AS place
);

-- One index for all texts of a study, since most of what a Store pays for it is paid by the row.
-- longshore.index.search_columns repeats the expression. The list of what is to be sorted in is
-- kept short: every search reads it.
CREATE INDEX study_trigrams ON study USING gin (trigrams(
    COALESCE(patient_name, '') || ' ' || COALESCE(patient_id, '')
    || ' ' || COALESCE(accession_number, '') || ' ' || COALESCE(study_description, '')
    || ' ' || COALESCE(referring_physician_name, '') || ' ' || COALESCE(study_id, '')
)) WITH (gin_pending_list_limit = 256);

-- The IDs in the items of Request Attributes Sequence, as tag=value, with small letters of ASCII.
CREATE FUNCTION request_ids(attributes jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    COST 1000
RETURN ARRAY(
    SELECT member.tag || '=' || lower((item #>> ARRAY[member.tag, 'Value', '0']) COLLATE "C")
    FROM jsonb_array_elements(attributes #> '{00400275,Value}') AS item,
        unnest(ARRAY['00400009', '00401001']) AS member (tag)
    WHERE item #>> ARRAY[member.tag, 'Value', '0'] IS NOT NULL
);

CREATE INDEX series_request_ids ON series USING gin (request_ids(attributes))
    WHERE attributes ? '00400275';
