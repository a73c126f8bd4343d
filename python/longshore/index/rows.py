"""A batch's instances as rows: of studies, of series, of instances, each as its table has them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Protocol, cast

import orjson

from longshore.dicom import ATTRIBUTES
from longshore.index.arrays import Array, array
from longshore.index.fold import fold, fold_date, fold_integer, fold_name, fold_time

if TYPE_CHECKING:
    from longshore.dicom import Instance

MatchKey = Callable[[str], Any]

_integer = lru_cache(maxsize=4_096)(fold_integer)
"""Most instances have the same rows, columns and bits, and instance numbers recur."""

STUDY_KEYS: Mapping[str, tuple[str, MatchKey]] = {
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

SERIES_KEYS: Mapping[str, tuple[str, MatchKey]] = {
    "series_numbers": ("SeriesNumber", _integer),
    "series_start_dates": ("PerformedProcedureStepStartDate", fold_date),
    "series_start_times": ("PerformedProcedureStepStartTime", fold_time),
    "modalities": ("Modality", fold),
    "manufacturer_model_names": ("ManufacturerModelName", fold),
}

INSTANCE_KEYS: Mapping[str, tuple[str, MatchKey]] = {
    "instance_numbers": ("InstanceNumber", _integer),
    "image_rows": ("Rows", _integer),
    "image_columns": ("Columns", _integer),
    "numbers_of_frames": ("NumberOfFrames", _integer),
}

BITS_ALLOCATED_MAX = 32_767
"""What a smallint holds."""

STUDY_PARAMETERS = (
    "study_keys",
    "study_partition_keys",
    "study_uids",
    "study_attributes",
    *STUDY_KEYS,
)
SERIES_PARAMETERS = (
    "series_keys",
    "series_study_keys",
    "series_uids",
    "series_instance_counts",
    "series_attributes",
    *SERIES_KEYS,
)
_ESCAPED_NUL = b"\\u0000"

Row = tuple[Any, ...]


class Placed(Protocol):
    """What is needed of an instance to be indexed."""

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
class Merged:
    """What the instances of one study or series say of it; the latest value wins.

    Most instances of a study say the same: `said` keeps each way of saying it once, the latest
    last, which gives the same result as keeping all.
    """

    instance_count: int = 0
    said: dict[tuple[bytes, tuple[str | None, ...]], None] = field(
        default_factory=dict[tuple[bytes, tuple[str | None, ...]], None]
    )

    def add(self, values: tuple[str | None, ...], json: bytes) -> None:
        """Takes what one more instance says."""
        self.instance_count += 1
        saying = (json, values)
        self.said.pop(saying, None)
        self.said[saying] = None

    def add_same(self) -> None:
        """Takes one more instance that says the same as the one before it."""
        self.instance_count += 1

    def match_keys(self, level: str, columns: Mapping[str, tuple[str, MatchKey]]) -> Iterable[Any]:
        """Yields the values of the level's typed columns."""
        merged: dict[str, str] = {}
        for _, values in self.said:
            pairs = zip(keywords(level), values, strict=True)
            # An empty value says nothing (PS3.5 7.4.4), and takes nothing back.
            merged |= {name: value for name, value in pairs if value}
        for name, match_key in columns.values():
            yield match_key(merged[name]) if name in merged else None

    def json(self) -> str:
        """Returns the level's DICOM JSON, as PostgreSQL can keep it."""
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


def study_row(key: int, partition_key: int, study_uid: str, merged: Merged) -> Row:
    """Returns a study as `STUDY_PARAMETERS` has it."""
    typed = merged.match_keys("STUDY", STUDY_KEYS)
    return (key, partition_key, study_uid, merged.json(), *typed)


def series_row(key: int, study_key: int, series_uid: str, merged: Merged) -> Row:
    """Returns a series as `SERIES_PARAMETERS` has it."""
    typed = merged.match_keys("SERIES", SERIES_KEYS)
    return (key, study_key, series_uid, merged.instance_count, merged.json(), *typed)


def instance_columns(
    keys: Sequence[int],
    series_keys: Sequence[int],
    placed: Sequence[Placed],
    uid_keys: Mapping[str, int],
) -> dict[str, Array]:
    """Returns n instances, at least one, as arrays by the parameters' names.

    Args:
        keys, series_keys: n keys of the instances and of their series.
        uid_keys: Keys of their SOP classes and transfer syntaxes.
    """
    instances = [each.instance for each in placed]
    said = zip(*[each.instance_values for each in instances], strict=True)
    values = dict(zip(keywords("IMAGE"), said, strict=True))
    bits_allocated = [_integer(value or "") for value in values["BitsAllocated"]]
    found: dict[str, Sequence[Any]] = {
        "instance_keys": keys,
        "instance_series_keys": series_keys,
        "sop_instance_uids": [each.sop_instance_uid for each in instances],
        "payload_offsets": [each.payload_offset for each in placed],
        "payload_lengths": [each.length for each in instances],
        "segment_offsets": [each.segment_offset for each in placed],
        "segment_lengths": [each.segment_length for each in instances],
        "segment_plain_lengths": [each.segment_plain_length for each in instances],
        "segment_crc32s": [as_signed(each.segment_crc32) for each in instances],
        "pixel_offsets": [each.pixel_offset for each in instances],
        "frame_bits": [each.frame_bits for each in instances],
        "frame_counts": [each.frame_count for each in instances],
        "frame_tables": [each.frame_table for each in instances],
        "have_bulkdata_uri": [each.has_bulkdata_uri for each in instances],
        "sop_class_keys": [uid_keys[each.sop_class_uid] for each in instances],
        "transfer_syntax_keys": [uid_keys[each.transfer_syntax_uid] for each in instances],
        "bits_allocated": [
            bits if bits is not None and bits <= BITS_ALLOCATED_MAX else None
            for bits in bits_allocated
        ],
    }
    for parameter, (name, match_key) in INSTANCE_KEYS.items():
        found[parameter] = [match_key(value or "") for value in values[name]]
    return {parameter: array(column) for parameter, column in found.items()}


def columns(parameters: Sequence[str], rows: Sequence[Row]) -> dict[str, Array]:
    """Returns n rows, at least one, as arrays by the parameters' names."""
    return dict(zip(parameters, map(array, zip(*rows, strict=True)), strict=True))


def as_signed(number: int) -> int:
    """Returns the bits of a u32 as PostgreSQL's integer has them."""
    return number - (1 << 32) if number >= 1 << 31 else number


def as_unsigned(number: int) -> int:
    """Returns the u32 whose bits PostgreSQL's integer has."""
    return number & 0xFFFF_FFFF


def _without_nul(value: Any) -> Any:
    """Returns a JSON value without the character that PostgreSQL's texts do not have."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(each) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _without_nul(each) for name, each in cast("dict[str, Any]", value).items()}
    return value
