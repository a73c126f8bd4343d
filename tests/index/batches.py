"""Instances as the index sees them, and batches of them in packs that exist in name only."""

import itertools
import json
from dataclasses import dataclass, field

from longshore.dicom import ATTRIBUTES
from longshore.index.new import ORDINARY, NewInstance, NewPack
from longshore.index.store import store_batch

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
SEGMENT_BYTES = 70

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class PackEntryDouble:
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    length: int = 1_000
    crc32: int = 0xFFFF_FFFF
    segment: bytes = b"s" * SEGMENT_BYTES
    segment_crc32: int = 0xFEDC_BA98
    segment_plain_length: int = 900


@dataclass(frozen=True, slots=True)
class InstanceDouble:
    """Has the attributes of `dicom.Instance`."""

    study_uid: str
    series_uid: str
    sop_instance_uid: str
    pack_entry: PackEntryDouble
    study_values: tuple[str | None, ...]
    series_values: tuple[str | None, ...]
    instance_values: tuple[str | None, ...]
    study_json: bytes
    series_json: bytes
    sop_class_uid: str = CT_IMAGE
    transfer_syntax_uid: str = EXPLICIT
    has_bulkdata_uri: bool = False
    frame_count: int | None = None
    pixel_offset: int | None = None
    frame_bits: int | None = None
    frame_table: bytes | None = None
    is_implicit_vr: bool = False
    is_multivalued: bool = False
    extended_version: int = 0
    extended_json: bytes | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def length(self):
        return self.pack_entry.length

    @property
    def segment_length(self):
        return len(self.pack_entry.segment)

    @property
    def segment_plain_length(self):
        return self.pack_entry.segment_plain_length

    @property
    def segment_crc32(self):
        return self.pack_entry.segment_crc32

    def describes_as(self, other):
        names = ("study_uid", "series_uid", "study_values", "series_values", "study_json")
        return all(getattr(self, name) == getattr(other, name) for name in (*names, "series_json"))


def _values(level: str, attributes: dict[str, str]) -> tuple[str | None, ...]:
    rows = [row for row in ATTRIBUTES if row.level == level and row.is_matched]
    return tuple(attributes.get(row.keyword) for row in rows)


def _json(level: str, attributes: dict[str, str]) -> bytes:
    rows = [row for row in ATTRIBUTES if row.level == level and attributes.get(row.keyword)]
    return json.dumps(
        {f"{row.tag:08X}": {"vr": row.vr, "Value": [attributes[row.keyword]]} for row in rows}
    ).encode()


def instance(uids: str, attributes: dict[str, str] | None = None, length=1_000, **more):
    """Returns an instance of `study/series/instance` with values by keyword, whatever the level."""
    study_uid, series_uid, sop_instance_uid = uids.split("/")
    attributes = attributes or {}
    return InstanceDouble(
        study_uid,
        series_uid,
        sop_instance_uid,
        PackEntryDouble(study_uid, series_uid, sop_instance_uid, length),
        _values("STUDY", attributes),
        _values("SERIES", attributes),
        _values("IMAGE", attributes),
        _json("STUDY", {"StudyInstanceUID": study_uid} | attributes),
        _json("SERIES", {"SeriesInstanceUID": series_uid} | attributes),
        **more,
    )


def batch(*instances, partition_key=1, pack_id=None, terms=ORDINARY):
    """Returns a pack and its entries, payloads one behind the other, then the segments."""
    pack_id = pack_id or f"{next(_numbers):032x}"
    entries, offset = [], 100
    for each in instances:
        entries.append(NewInstance(partition_key, each, offset, 0, terms))
        offset += each.pack_entry.length + 100
    for number, entry in enumerate(entries):
        entries[number] = entry._replace(segment_offset=offset)
        offset += SEGMENT_BYTES
    return NewPack(pack_id, offset), entries


async def store(database, *instances, partition_key=1, pack_id=None, terms=ORDINARY):
    """Stores instances as one batch; returns for each whether it is stored."""
    pack, entries = batch(*instances, partition_key=partition_key, pack_id=pack_id, terms=terms)
    return (await store_batch(database, pack, entries)).are_stored


CHANGES = """
    SELECT position, action, change.instance_key - (watermark - position), sop_instance_uid
    FROM change
    CROSS JOIN LATERAL generate_series(watermark - run_length + 1, watermark) AS position
    LEFT JOIN instance ON instance.instance_key = change.instance_key - (watermark - position)
    ORDER BY position
"""
"""The change feed's runs as single changes: watermark, action, instance key, SOP Instance UID."""

INCONSISTENT = """
    SELECT 'instance without series', instance_key FROM instance
    WHERE NOT EXISTS (SELECT FROM series WHERE series.series_key = instance.series_key)
    UNION ALL
    SELECT 'series without study', series_key FROM series
    WHERE NOT EXISTS (SELECT FROM study WHERE study.study_key = series.study_key)
    UNION ALL
    SELECT 'empty study', study_key FROM study
    WHERE NOT EXISTS (SELECT FROM series WHERE series.study_key = study.study_key)
    UNION ALL
    SELECT 'series count', series_key FROM series WHERE instance_count = 0 OR instance_count <>
        (SELECT count(*) FROM instance WHERE instance.series_key = series.series_key)
    UNION ALL
    SELECT 'instance without pack', instance_key FROM instance
    WHERE NOT EXISTS (SELECT FROM pack WHERE pack.pack_key = instance.pack_key)
    UNION ALL
    SELECT 'pack counts', pack_key FROM pack WHERE (live_count, live_bytes) <>
        (SELECT count(*), COALESCE(sum(payload_length), 0) FROM instance
         WHERE instance.pack_key = pack.pack_key)
    UNION ALL
    SELECT 'pack dead time', pack_key FROM pack
    WHERE (dead_at IS NULL) <> (live_count = entry_count)
    UNION ALL
    SELECT 'gap before', watermark FROM
        (SELECT watermark, sum(run_length) OVER (ORDER BY watermark) AS position FROM change)
        AS every
    WHERE watermark <> position
    UNION ALL
    SELECT 'time runs backwards', watermark FROM
        (SELECT watermark, changed_at, lag(changed_at) OVER (ORDER BY watermark) AS previous
         FROM change) AS every
    WHERE changed_at < previous
    UNION ALL
    SELECT 'head', watermark FROM change_head
    WHERE watermark <> (SELECT COALESCE(max(watermark), 0) FROM change)
    UNION ALL
    SELECT 'not created once', instance_key FROM
        (SELECT instance_key FROM instance UNION ALL SELECT instance_key FROM deleted_instance)
        AS known
    WHERE 1 <> (SELECT count(*) FROM change
                WHERE known.instance_key > change.instance_key - run_length
                    AND known.instance_key <= change.instance_key AND action = 0)
    UNION ALL
    SELECT 'not deleted or replaced once', instance_key FROM deleted_instance
    WHERE 1 <> (SELECT count(*) FROM change
                WHERE deleted_instance.instance_key > change.instance_key - run_length
                    AND deleted_instance.instance_key <= change.instance_key AND action = 1)
        AND NOT EXISTS (
            SELECT FROM deleted_instance AS later
            WHERE (later.study_uid, later.series_uid, later.sop_instance_uid) =
                (deleted_instance.study_uid, deleted_instance.series_uid,
                 deleted_instance.sop_instance_uid)
                AND later.instance_key > deleted_instance.instance_key)
        AND NOT EXISTS (
            SELECT FROM instance JOIN series USING (series_key) JOIN study USING (study_key)
            WHERE (study.study_uid, series.series_uid, instance.sop_instance_uid) =
                (deleted_instance.study_uid, deleted_instance.series_uid,
                 deleted_instance.sop_instance_uid)
                AND instance.instance_key > deleted_instance.instance_key)
"""
"""Finds whatever contradicts itself in an index; no row if all is well."""
