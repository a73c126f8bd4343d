"""A batch's instances as columns: one array per column, one row per study, series or instance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

import orjson

from longshore.dicom import ATTRIBUTES
from longshore.index.fold import fold, fold_date, fold_integer, fold_name, fold_time

if TYPE_CHECKING:
    from longshore.dicom import Instance

STUDY_COLUMNS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "study_dates": ("StudyDate", fold_date),
    "study_times": ("StudyTime", fold_time),
    "patient_birth_dates": ("PatientBirthDate", fold_date),
    "patient_ids": ("PatientID", fold),
    "patient_names": ("PatientName", fold_name),
    "accession_numbers": ("AccessionNumber", fold),
    "study_ids": ("StudyID", fold),
    "referring_physician_names": ("ReferringPhysicianName", fold_name),
    "study_descriptions": ("StudyDescription", fold),
}
"""Array parameter -> keyword and match key of a study's typed columns."""

SERIES_COLUMNS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "series_numbers": ("SeriesNumber", fold_integer),
    "series_start_dates": ("PerformedProcedureStepStartDate", fold_date),
    "series_start_times": ("PerformedProcedureStepStartTime", fold_time),
    "modalities": ("Modality", fold),
    "manufacturer_model_names": ("ManufacturerModelName", fold),
}

INSTANCE_COLUMNS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "instance_numbers": ("InstanceNumber", fold_integer),
    "image_rows": ("Rows", fold_integer),
    "image_columns": ("Columns", fold_integer),
    "numbers_of_frames": ("NumberOfFrames", fold_integer),
    "bits_allocated": ("BitsAllocated", fold_integer),
}

BITS_ALLOCATED_MAX = 32_767
"""What a smallint holds."""

_ESCAPED_NUL = b"\\u0000"


class Row(Protocol):
    """What is needed of an instance to be indexed."""

    @property
    def partition_key(self) -> int:
        """The partition that it goes to."""
        ...

    @property
    def instance(self) -> "Instance":
        """What was read of it."""
        ...

    @property
    def payload_offset(self) -> int:
        """Where its file lies in the pack, in bytes."""
        ...

    @property
    def segment_offset(self) -> int:
        """Where its metadata lies in the pack, in bytes."""
        ...


@cache
def keywords(level: str) -> tuple[str, ...]:
    """Returns the keywords of a level's matched attributes, in table order."""
    return tuple(row.keyword for row in ATTRIBUTES if row.level == level and row.is_matched)


@dataclass(slots=True)
class _Merged:
    """What the instances of one study or series say of it; the latest value wins.

    Most instances of a study say the same: `said` keeps each way of saying it once, the latest
    last, which gives the same result as keeping all.
    """

    names: tuple[str, ...]
    said: dict[tuple[bytes, tuple[str | None, ...]], None] = field(
        default_factory=dict[tuple[bytes, tuple[str | None, ...]], None]
    )
    instance_count: int = 0

    def add(self, values: tuple[str | None, ...], json: bytes) -> None:
        self.said.pop((json, values), None)
        self.said[(json, values)] = None
        self.instance_count += 1

    def values(self) -> dict[str, str]:
        merged: dict[str, str] = {}
        for _, values in self.said:
            pairs = zip(self.names, values, strict=True)
            # An empty value says nothing (PS3.5 7.4.4), and takes nothing back.
            merged |= {name: value for name, value in pairs if value}
        return merged

    def json(self) -> str:
        texts = [json for json, _ in self.said]
        text = texts[0]
        if len(texts) > 1:
            merged: dict[str, Any] = {}
            for each in texts:
                merged |= orjson.loads(each)
            text = orjson.dumps(merged)
        if _ESCAPED_NUL in text:
            text = orjson.dumps(_without_nul(orjson.loads(text)))
        return text.decode()


def _typed(
    columns: Mapping[str, tuple[str, Callable[[str], Any]]], rows: Sequence[Mapping[str, str]]
) -> dict[str, list[Any]]:
    return {
        parameter: [match_key(row[name]) if name in row else None for row in rows]
        for parameter, (name, match_key) in columns.items()
    }


def study_columns(new: Sequence[Row]) -> dict[str, list[Any]]:
    """Returns the columns of the batch's studies, in UID order; what comes later in `new` wins."""
    merged: dict[tuple[str, int], _Merged] = {}
    for row in new:
        instance = row.instance
        key = (instance.study_uid, row.partition_key)
        study = merged.get(key) or merged.setdefault(key, _Merged(keywords("STUDY")))
        study.add(instance.study_values, instance.study_json)
    merged = dict(sorted(merged.items(), key=_by_uids))
    return {
        "study_partition_keys": [partition_key for _, partition_key in merged],
        "study_uids": [study_uid for study_uid, _ in merged],
        "study_attributes": [study.json() for study in merged.values()],
    } | _typed(STUDY_COLUMNS, [study.values() for study in merged.values()])


def series_columns(new: Sequence[Row]) -> dict[str, list[Any]]:
    """Returns the columns of the batch's series, in UID order; what comes later in `new` wins."""
    merged: dict[tuple[str, int, str], _Merged] = {}
    for row in new:
        instance = row.instance
        key = (instance.study_uid, row.partition_key, instance.series_uid)
        series = merged.get(key) or merged.setdefault(key, _Merged(keywords("SERIES")))
        series.add(instance.series_values, instance.series_json)
    merged = dict(sorted(merged.items(), key=_by_uids))
    return {
        "series_partition_keys": [partition_key for _, partition_key, _ in merged],
        "series_study_uids": [study_uid for study_uid, _, _ in merged],
        "series_uids": [series_uid for _, _, series_uid in merged],
        "series_instance_counts": [series.instance_count for series in merged.values()],
        "series_attributes": [series.json() for series in merged.values()],
    } | _typed(SERIES_COLUMNS, [series.values() for series in merged.values()])


def instance_columns(new: Sequence[Row], uid_keys: Mapping[str, int]) -> dict[str, list[Any]]:
    """Returns the columns of the batch's instances, in the order of `new`."""
    instances = [row.instance for row in new]
    entries = [instance.pack_entry for instance in instances]
    names = keywords("IMAGE")
    values = [
        {n: v for n, v in zip(names, instance.instance_values, strict=True) if v is not None}
        for instance in instances
    ]
    typed = _typed(INSTANCE_COLUMNS, values)
    typed["bits_allocated"] = [
        bits if bits is not None and bits <= BITS_ALLOCATED_MAX else None
        for bits in typed["bits_allocated"]
    ]
    return typed | {
        "partition_keys": [row.partition_key for row in new],
        "instance_study_uids": [instance.study_uid for instance in instances],
        "instance_series_uids": [instance.series_uid for instance in instances],
        "sop_instance_uids": [instance.sop_instance_uid for instance in instances],
        "payload_offsets": [row.payload_offset for row in new],
        "payload_lengths": [entry.length for entry in entries],
        "segment_offsets": [row.segment_offset for row in new],
        "segment_lengths": [len(entry.segment) for entry in entries],
        "segment_plain_lengths": [entry.segment_plain_length for entry in entries],
        "segment_crc32s": [as_signed(entry.segment_crc32) for entry in entries],
        "pixel_offsets": [instance.pixel_offset for instance in instances],
        "frame_bits": [instance.frame_bits for instance in instances],
        "frame_counts": [instance.frame_count for instance in instances],
        "frame_tables": [instance.frame_table for instance in instances],
        "have_bulkdata_uri": [instance.has_bulkdata_uri for instance in instances],
        "sop_class_keys": [uid_keys[instance.sop_class_uid] for instance in instances],
        "transfer_syntax_keys": [uid_keys[instance.transfer_syntax_uid] for instance in instances],
    }


def as_signed(number: int) -> int:
    """Returns the bits of a u32 as PostgreSQL's integer has them."""
    return number - (1 << 32) if number >= 1 << 31 else number


def as_unsigned(number: int) -> int:
    """Returns the u32 whose bits PostgreSQL's integer has."""
    return number & 0xFFFF_FFFF


def _by_uids(merged: tuple[tuple[str | int, ...], _Merged]) -> tuple[str | int, ...]:
    return merged[0]


def _without_nul(value: Any) -> Any:
    """Returns a JSON value without the character that PostgreSQL's texts do not have."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(each) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _without_nul(each) for name, each in cast("dict[str, Any]", value).items()}
    return value
