"""From a row of a Search to the DICOM JSON of its result (PS3.18 Annex F)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from longshore.dicom import ATTRIBUTES
from longshore.extent import Extent, pack_blob
from longshore.index.search_columns import MODALITIES_IN_STUDY
from longshore.index.search_match import Level

Element: TypeAlias = Mapping[str, Any]
"""One attribute in DICOM JSON: `vr`, and `Value` unless it is empty."""

NUMBER_OF_STUDY_RELATED_SERIES: Final = 0x00201206
NUMBER_OF_STUDY_RELATED_INSTANCES: Final = 0x00201208
NUMBER_OF_SERIES_RELATED_INSTANCES: Final = 0x00201209
STUDY_COUNTS: Final = frozenset(
    {MODALITIES_IN_STUDY, NUMBER_OF_STUDY_RELATED_SERIES, NUMBER_OF_STUDY_RELATED_INSTANCES}
)

MODALITY: Final = 0x00080060

_MODALITIES: Final = f"{MODALITIES_IN_STUDY:08X}"
_MODALITY: Final = f"{MODALITY:08X}"

# Attributes that are built from typed columns: column, tag, VR.
_STUDY_COLUMNS: Final = (
    ("study_uid", "0020000D", "UI"),
    ("series_count", "00201206", "IS"),
    ("study_instance_count", "00201208", "IS"),
)
_SERIES_COLUMNS: Final = (
    ("series_uid", "0020000E", "UI"),
    ("series_instance_count", "00201209", "IS"),
)
_INSTANCE_COLUMNS: Final = (
    ("sop_class_uid", "00080016", "UI"),
    ("sop_instance_uid", "00080018", "UI"),
    ("transfer_syntax_uid", "00083002", "UI"),  # AvailableTransferSyntaxUID
    ("instance_number", "00200013", "IS"),
    ("number_of_frames", "00280008", "IS"),
    ("image_rows", "00280010", "US"),
    ("image_columns", "00280011", "US"),
    ("bits_allocated", "00280100", "US"),
)
_COLUMNS: Final = (*_STUDY_COLUMNS, *_SERIES_COLUMNS, *_INSTANCE_COLUMNS)


def _stored(level: Level) -> frozenset[int]:
    return frozenset(row.tag for row in ATTRIBUTES if row.level == level)


def _tags(columns: Sequence[tuple[str, str, str]]) -> frozenset[int]:
    return frozenset(int(tag, 16) for _, tag, _ in columns)


STUDY_TAGS: Final = _stored(Level.STUDY) | _tags(_STUDY_COLUMNS) | {MODALITIES_IN_STUDY}
SERIES_TAGS: Final = _stored(Level.SERIES) | _tags(_SERIES_COLUMNS)
INSTANCE_TAGS: Final = _tags(_INSTANCE_COLUMNS)
ROW_TAGS: Final = STUDY_TAGS | SERIES_TAGS | INSTANCE_TAGS
"""What a row can answer; anything else lies in an instance's metadata."""


@dataclass(frozen=True, slots=True)
class MetadataSegment:
    """Where one instance's metadata lies: raw deflate, ended by a full flush.

    Attributes:
        plain_length: Inflated, bytes.
        instance_uids: Study, Series and SOP Instance UID.
    """

    extent: Extent
    plain_length: int
    instance_uids: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """One result.

    Attributes:
        study_uid: Always given; the other two down to the level of the search.
        attributes: DICOM JSON of what was wanted and the row has, by tag, in no set order.
        segment: The metadata of the newest instance below (or of the instance itself), if an
            attribute is wanted that no row has.
    """

    study_uid: str
    series_uid: str | None
    sop_instance_uid: str | None
    attributes: dict[str, Element] = field(repr=False)
    segment: MetadataSegment | None


class RowReader:
    """Reads the rows of one search."""

    def __init__(self, level: Level, fields: frozenset[int]) -> None:
        """Begins a page.

        Args:
            level: Of the search.
            fields: Tags wanted in the results.
        """
        self._level = level
        self._wanted = frozenset(f"{tag:08X}" for tag in fields)
        self._columns = [each for each in _COLUMNS if each[1] in self._wanted]
        # The instances of a page mostly share their series and study: no text is parsed twice.
        self._parsed: dict[str, dict[str, Element]] = {}

    def found(self, row: Mapping[str, Any]) -> Found:
        """Returns the result of a row of `queries/search.sql`."""
        attributes = {
            **self._stored(row["study_attributes"]),
            **self._stored(row["series_attributes"]),
        }
        for column, tag, vr in self._columns:
            value = row.get(column)
            if value is not None:
                attributes[tag] = {"vr": vr, "Value": [value if vr == "UI" else int(value)]}
        modalities = [each for each in row["modalities"] or () if each]
        if modalities and _MODALITIES in self._wanted:
            attributes[_MODALITIES] = {"vr": "CS", "Value": sorted(set(modalities))}
        # A study has none of its own: its newest series says one, unless an instance was read.
        if modalities and _MODALITY in self._wanted and self._level is Level.STUDY:
            attributes.setdefault(_MODALITY, {"vr": "CS", "Value": modalities[:1]})
        return Found(
            study_uid=row["study_uid"],
            series_uid=row["series_uid"] if self._level is not Level.STUDY else None,
            sop_instance_uid=row["sop_instance_uid"] if self._level is Level.IMAGE else None,
            attributes=attributes,
            segment=_segment(row),
        )

    def _stored(self, text: str | None) -> dict[str, Element]:
        """Returns what is wanted of a level's `attributes`."""
        if text is None:
            return {}
        picked = self._parsed.get(text)
        if picked is None:
            stored: dict[str, Element] = orjson.loads(text)
            picked = {tag: stored[tag] for tag in self._wanted & stored.keys()}
            self._parsed[text] = picked
        return picked


def _segment(row: Mapping[str, Any]) -> MetadataSegment | None:
    if row["pack_id"] is None:
        return None
    extent = Extent(pack_blob(row["pack_id"]), row["segment_offset"], row["segment_length"])
    uids = (row["study_uid"], row["series_uid"], row["sop_instance_uid"])
    return MetadataSegment(extent, row["segment_plain_length"], uids)
