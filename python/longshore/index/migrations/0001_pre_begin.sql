-- The index from nothing: partitions, the hierarchy, packs, the change feed.
-- Columns go from wide to narrow, so that rows carry no padding. Texts that are compared are
-- COLLATE "C": sorted by bytes, whatever the database's locale is.

CREATE TABLE partition (
    created_at     timestamptz NOT NULL DEFAULT now(),
    partition_key  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition_name text NOT NULL UNIQUE
        CONSTRAINT partition_name_is_short CHECK (length(partition_name) BETWEEN 1 AND 64)
);
INSERT INTO partition (partition_name) VALUES ('Microsoft.Default');

-- Names that recur in every instance row, kept once: SOP classes and transfer syntaxes.
-- Clients choose them, so that there may be more than a smallint can count.
CREATE TABLE uid_name (
    uid_key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid     text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE pack (
    pack_key       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at     timestamptz NOT NULL DEFAULT now(),
    -- when an entry last lost its row; null while every entry has one
    dead_at        timestamptz,
    pack_length    bigint NOT NULL, -- bytes
    -- bytes of the payloads that have a row
    live_bytes     bigint NOT NULL,
    entry_count    integer NOT NULL,
    live_count     integer NOT NULL,
    -- also names the blob; a claim by the sweep stands here with entry_count 0
    pack_id        text COLLATE "C" NOT NULL UNIQUE
);
CREATE INDEX pack_dead_at ON pack (dead_at) WHERE dead_at IS NOT NULL;

-- Texts in typed columns are match keys: folded by longshore.index.fold, not what is returned.
-- What is returned is `attributes`, the level's DICOM JSON.
CREATE TABLE study (
    study_key                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at               timestamptz NOT NULL DEFAULT now(),
    study_time               time,
    partition_key            integer NOT NULL,
    study_date               date,
    patient_birth_date       date,
    study_uid                text COLLATE "C" NOT NULL,
    patient_id               text COLLATE "C",
    patient_name             text COLLATE "C",
    accession_number         text COLLATE "C",
    study_id                 text COLLATE "C",
    referring_physician_name text COLLATE "C",
    study_description        text COLLATE "C",
    attributes               jsonb NOT NULL,
    UNIQUE (study_uid, partition_key)
);
CREATE INDEX study_patient_id ON study (patient_id, partition_key);
CREATE INDEX study_patient_name ON study (patient_name, partition_key);
CREATE INDEX study_accession_number ON study (accession_number, partition_key);
CREATE INDEX study_study_date ON study (study_date, study_key);
CREATE INDEX study_patient_birth_date ON study (patient_birth_date);
CREATE INDEX study_referring_physician_name ON study (referring_physician_name);
CREATE INDEX study_study_description ON study (study_description);
CREATE INDEX study_study_id ON study (study_id);

CREATE TABLE series (
    series_key                               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_key                                bigint NOT NULL,
    performed_procedure_step_start_time      time,
    instance_count                           integer NOT NULL DEFAULT 0, -- committed ones
    series_number                            integer,
    performed_procedure_step_start_date      date,
    series_uid                               text COLLATE "C" NOT NULL,
    modality                                 text COLLATE "C",
    manufacturer_model_name                  text COLLATE "C",
    attributes                               jsonb NOT NULL,
    UNIQUE (study_key, series_uid)
) WITH (fillfactor = 70); -- each batch counts up: room for the new version on the same page
CREATE INDEX series_series_uid ON series (series_uid);
CREATE INDEX series_modality ON series (modality, series_key);
CREATE INDEX series_performed_procedure_step_start_date
    ON series (performed_procedure_step_start_date);

CREATE TABLE instance (
    instance_key         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series_key           bigint NOT NULL,
    pack_key             bigint NOT NULL,
    payload_offset       bigint NOT NULL, -- in the pack, bytes
    payload_length       bigint NOT NULL, -- bytes
    segment_offset       bigint NOT NULL, -- in the pack, bytes
    pixel_offset         bigint,  -- native pixel data: in the payload, bytes
    frame_bits           bigint,  -- native pixel data: bits from one frame to the next
    segment_length       integer NOT NULL, -- deflated, bytes
    segment_plain_length integer NOT NULL, -- inflated, bytes
    segment_crc32        integer NOT NULL, -- of the plain JSON; the bits of a u32
    frame_count          integer,
    instance_number      integer,
    image_rows           integer,
    image_columns        integer,
    number_of_frames     integer,
    sop_class_key        integer NOT NULL,
    transfer_syntax_key  integer NOT NULL,
    bits_allocated       smallint,
    has_bulkdata_uri     boolean NOT NULL,
    sop_instance_uid     text COLLATE "C" NOT NULL,
    frame_table          bytea, -- encapsulated pixel data: 12 bytes a frame
    UNIQUE (sop_instance_uid, series_key)
);
-- A frame table is read by substring: uncompressed, so that only the chunk asked for is read.
ALTER TABLE instance ALTER COLUMN frame_table SET STORAGE EXTERNAL;
CREATE INDEX instance_series_key ON instance (series_key, instance_key);
CREATE INDEX instance_pack_key ON instance (pack_key);

-- Deleted instances, kept for the change feed, which names them for ever.
CREATE TABLE deleted_instance (
    instance_key     bigint PRIMARY KEY,
    deleted_at       timestamptz NOT NULL DEFAULT now(),
    study_uid        text COLLATE "C" NOT NULL,
    series_uid       text COLLATE "C" NOT NULL,
    sop_instance_uid text COLLATE "C" NOT NULL
);

-- The one counter of the change feed. Its row lock, taken last, makes commit order and watermark
-- order the same.
CREATE TABLE change_head (
    watermark  bigint NOT NULL,
    changed_at timestamptz NOT NULL, -- of the last change; never runs backwards
    is_only    boolean PRIMARY KEY DEFAULT true CONSTRAINT change_head_is_only CHECK (is_only)
);
INSERT INTO change_head (watermark, changed_at) VALUES (0, now());

CREATE TABLE change (
    watermark     bigint PRIMARY KEY,
    changed_at    timestamptz NOT NULL, -- ascends with watermark
    instance_key  bigint NOT NULL,
    partition_key integer NOT NULL,
    action        smallint NOT NULL -- 0 create, 1 delete
);
-- Finds the first watermark of a window of time.
CREATE INDEX change_changed_at ON change (changed_at, watermark);
