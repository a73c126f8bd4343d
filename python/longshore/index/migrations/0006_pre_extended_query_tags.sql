-- Extended query tags: attributes that somebody made searchable, what instances have in them, and
-- the operations that index what was stored before.

-- The list's version. Each Store reads it within its transaction, behind a shared advisory lock: see
-- longshore.index.extended_tags.
CREATE TABLE extended_query_tag_head (
    version bigint NOT NULL, -- counts what was added and removed
    is_only boolean PRIMARY KEY DEFAULT true
        CONSTRAINT extended_query_tag_head_is_only CHECK (is_only)
);
INSERT INTO extended_query_tag_head (version) VALUES (0);

-- Work in the background that a client asked for. Kept for ever: clients may ask late.
CREATE TABLE operation (
    operation_id   uuid PRIMARY KEY,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    -- Instances with lower keys are still to be looked at; null: not begun.
    below_key      bigint,
    -- Where it began; null likewise.
    first_key      bigint,
    operation_type text NOT NULL CONSTRAINT operation_type_is_known
        CHECK (operation_type IN ('reindex', 'update', 'export')),
    status         text NOT NULL DEFAULT 'notStarted' CONSTRAINT operation_status_is_known
        CHECK (status IN ('notStarted', 'running', 'succeeded', 'failed', 'canceled')),
    resources      text[] NOT NULL, -- paths of extended query tags
    results        jsonb
);
CREATE INDEX operation_unfinished ON operation (operation_type)
    WHERE status IN ('notStarted', 'running');

CREATE TABLE extended_query_tag (
    operation_id    uuid, -- while adding
    tag_key         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    error_count     integer NOT NULL DEFAULT 0, -- instances whose value could not be indexed
    path            text COLLATE "C" NOT NULL, -- 8 upper-case hexadecimal digits
    vr              text NOT NULL,
    private_creator text,
    level           text NOT NULL CONSTRAINT extended_query_tag_level_is_known
        CHECK (level IN ('study', 'series', 'instance')),
    status          text NOT NULL DEFAULT 'adding' CONSTRAINT extended_query_tag_status_is_known
        CHECK (status IN ('adding', 'ready', 'deleting')),
    query_status    text NOT NULL DEFAULT 'enabled'
        CONSTRAINT extended_query_tag_query_status_is_known
        CHECK (query_status IN ('enabled', 'disabled'))
);
-- What is being deleted may be added again meanwhile.
CREATE UNIQUE INDEX extended_query_tag_path ON extended_query_tag (path)
    WHERE status <> 'deleting';

-- Typed as the VR says; texts are match keys, as in study and series.
CREATE TABLE extended_value (
    owner_key      bigint NOT NULL, -- study_key, series_key or instance_key, by the tag's level
    instance_key   bigint NOT NULL, -- whose value it is: of all below the owner, the highest
    integer_value  bigint,
    double_value   double precision,
    datetime_value timestamp, -- as written, whatever the offset from UTC
    time_value     time,
    date_value     date,
    tag_key        integer NOT NULL,
    text_value     text COLLATE "C",
    name_value     text COLLATE "C", -- of a PN
    PRIMARY KEY (tag_key, owner_key)
);
CREATE INDEX extended_value_text ON extended_value (tag_key, text_value, owner_key)
    WHERE text_value IS NOT NULL;
CREATE INDEX extended_value_name ON extended_value USING gin (trigrams(name_value))
    WITH (gin_pending_list_limit = 256) WHERE name_value IS NOT NULL;
CREATE INDEX extended_value_integer ON extended_value (tag_key, integer_value, owner_key)
    WHERE integer_value IS NOT NULL;
CREATE INDEX extended_value_double ON extended_value (tag_key, double_value, owner_key)
    WHERE double_value IS NOT NULL;
CREATE INDEX extended_value_date ON extended_value (tag_key, date_value, owner_key)
    WHERE date_value IS NOT NULL;
CREATE INDEX extended_value_time ON extended_value (tag_key, time_value, owner_key)
    WHERE time_value IS NOT NULL;
CREATE INDEX extended_value_datetime ON extended_value (tag_key, datetime_value, owner_key)
    WHERE datetime_value IS NOT NULL;

CREATE TABLE extended_query_tag_error (
    instance_key bigint NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    tag_key      integer NOT NULL,
    message      text NOT NULL, -- holds no value
    PRIMARY KEY (tag_key, instance_key)
);
CREATE INDEX extended_query_tag_error_instance ON extended_query_tag_error (instance_key);

-- Values and errors go with their owners, whoever deletes these and for whatever reason. A trigger,
-- so that no way of deleting can forget them; without tags it only looks whether there are any.
CREATE FUNCTION forget_extended_values() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM extended_query_tag) THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'study' THEN
        DELETE FROM extended_value USING extended_query_tag AS tag, gone
        WHERE extended_value.tag_key = tag.tag_key AND tag.level = 'study'
            AND extended_value.owner_key = gone.study_key;
    ELSIF TG_TABLE_NAME = 'series' THEN
        DELETE FROM extended_value USING extended_query_tag AS tag, gone
        WHERE extended_value.tag_key = tag.tag_key AND tag.level = 'series'
            AND extended_value.owner_key = gone.series_key;
    ELSE
        DELETE FROM extended_value USING extended_query_tag AS tag, gone
        WHERE extended_value.tag_key = tag.tag_key AND tag.level = 'instance'
            AND extended_value.owner_key = gone.instance_key;
        WITH forgotten AS (
            DELETE FROM extended_query_tag_error AS error USING gone
            WHERE error.instance_key = gone.instance_key
            RETURNING error.tag_key
        )
        UPDATE extended_query_tag AS tag SET error_count = tag.error_count - counted.error_count
        FROM (SELECT tag_key, count(*) AS error_count FROM forgotten GROUP BY tag_key) AS counted
        WHERE tag.tag_key = counted.tag_key;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_extended_values AFTER DELETE ON study REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_extended_values();
CREATE TRIGGER forget_extended_values AFTER DELETE ON series REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_extended_values();
CREATE TRIGGER forget_extended_values AFTER DELETE ON instance REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_extended_values();
