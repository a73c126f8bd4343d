"""Which attributes a Search returns: the model's v1, v2 and `all`, and what viewers need besides.

PS3.18 Tables 10.6.1-1 and 10.6.3-3 to -5.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import tag_for_keyword

from longshore.index.search_match import Level

SPECIFIC_CHARACTER_SET: Final = 0x00080005
INSTANCE_AVAILABILITY: Final = 0x00080056
RETRIEVE_URL: Final = 0x00081190
SYNTHETIC_TAGS: Final = frozenset({SPECIFIC_CHARACTER_SET, INSTANCE_AVAILABILITY, RETRIEVE_URL})
"""Tags whose value says something of this server, so it is never read from what was stored."""

_HEX_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_KEYWORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{1,63}")


@dataclass(frozen=True, slots=True)
class SearchResource:
    """One of the resources of PS3.18 Table 10.6.1-1.

    Attributes:
        path: Behind the version segment.
        level: Of the results.
        matched_levels: Levels whose attributes may be filters.
        returned_levels: Levels whose attributes are returned unasked.
    """

    path: str
    level: Level
    matched_levels: tuple[Level, ...]
    returned_levels: tuple[Level, ...]


_STUDY, _SERIES, _IMAGE = Level.STUDY, Level.SERIES, Level.IMAGE

ALL_STUDIES = SearchResource("/studies", _STUDY, (_STUDY,), (_STUDY,))
ALL_SERIES = SearchResource("/series", _SERIES, (_STUDY, _SERIES), (_STUDY, _SERIES))
ALL_INSTANCES = SearchResource(
    "/instances", _IMAGE, (_STUDY, _SERIES, _IMAGE), (_STUDY, _SERIES, _IMAGE)
)
STUDY_SERIES = SearchResource("/studies/{study}/series", _SERIES, (_SERIES,), (_SERIES,))
STUDY_INSTANCES = SearchResource(
    "/studies/{study}/instances", _IMAGE, (_SERIES, _IMAGE), (_SERIES, _IMAGE)
)
SERIES_INSTANCES = SearchResource(
    "/studies/{study}/series/{series}/instances", _IMAGE, (_IMAGE,), (_IMAGE,)
)
RESOURCES: Final = (
    ALL_STUDIES,
    ALL_SERIES,
    ALL_INSTANCES,
    STUDY_SERIES,
    STUDY_INSTANCES,
    SERIES_INSTANCES,
)


def tag_of(name: str) -> int | None:
    """Returns the tag of a keyword (case-sensitive) or of 8 hexadecimal digits; None for neither.

    Hexadecimal digits may name any tag, private ones too; a keyword is one of PS3.6.
    """
    if _HEX_TAG.fullmatch(name):
        return int(name, 16)
    return tag_for_keyword(name) if _KEYWORD.fullmatch(name) else None


def path_of(name: str) -> tuple[int, ...] | None:
    """Returns the tags of a dotted path of keywords or hexadecimal digits, from the outermost in.

    Returns:
        None if one of the names is no attribute.
    """
    tags = [tag_of(part) for part in name.split(".")]
    path = tuple(tag for tag in tags if tag is not None)
    return path if len(path) == len(tags) else None


def _tags(*keywords: str) -> frozenset[int]:
    tags = [tag_of(keyword) for keyword in keywords]
    if None in tags:
        raise ValueError(f"no such keyword: {keywords[tags.index(None)]}")
    return frozenset(tag for tag in tags if tag is not None)


# The model leaves these out; viewers need them (PS3.18 Tables 10.6.3-3 to -5 require them).
_ALWAYS: Final[Mapping[Level, frozenset[int]]] = {
    _STUDY: _tags(
        "InstanceAvailability",
        "Modality",
        "ModalitiesInStudy",
        "RetrieveURL",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    _SERIES: _tags("InstanceAvailability", "RetrieveURL", "NumberOfSeriesRelatedInstances"),
    _IMAGE: _tags("InstanceAvailability", "RetrieveURL", "AvailableTransferSyntaxUID"),
}
_V1: Final[Mapping[Level, frozenset[int]]] = {
    _STUDY: _tags(
        "SpecificCharacterSet",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "ReferringPhysicianName",
        "TimezoneOffsetFromUTC",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyID",
    ),
    _SERIES: _tags(
        "SpecificCharacterSet",
        "Modality",
        "TimezoneOffsetFromUTC",
        "SeriesDescription",
        "SeriesInstanceUID",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "RequestAttributesSequence",
    ),
    _IMAGE: _tags(
        "SpecificCharacterSet",
        "SOPClassUID",
        "SOPInstanceUID",
        "TimezoneOffsetFromUTC",
        "InstanceNumber",
        "NumberOfFrames",
        "Rows",
        "Columns",
        "BitsAllocated",
    ),
}
_V2: Final[Mapping[Level, frozenset[int]]] = {
    _STUDY: _tags(
        "StudyInstanceUID",
        "StudyDate",
        "StudyDescription",
        "AccessionNumber",
        "ReferringPhysicianName",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
    ),
    _SERIES: _tags(
        "SeriesInstanceUID", "Modality", "PerformedProcedureStepStartDate", "ManufacturerModelName"
    ),
    _IMAGE: _tags("SOPInstanceUID"),
}
# `includefield=all`, beside the v1 set; the same in both versions. Not really all: the model's.
_ALL: Final[Mapping[Level, frozenset[int]]] = {
    _STUDY: _tags(
        "StudyDescription",
        "AnatomicRegionsInStudyCodeSequence",
        "ProcedureCodeSequence",
        "NameOfPhysiciansReadingStudy",
        "AdmittingDiagnosesDescription",
        "ReferencedStudySequence",
        "PatientAge",
        "PatientSize",
        "PatientWeight",
        "Occupation",
        "AdditionalPatientHistory",
    ),
    _SERIES: _tags("SeriesNumber", "Laterality", "SeriesDate", "SeriesTime"),
    _IMAGE: frozenset(),
}


def returned_tags(
    resource: SearchResource, *, api_version: int, is_all: bool, asked: Iterable[int]
) -> frozenset[int]:
    """Returns the tags of a result.

    Args:
        resource: Decides the levels.
        api_version: 1 or 2.
        is_all: `includefield=all` was given.
        asked: The tags of `includefield`, of the filters and of the path's UIDs.
    """
    tags = set(asked)
    for level in resource.returned_levels:
        tags |= _ALWAYS[level]
        tags |= _V1[level] | _ALL[level] if is_all else (_V1, _V2)[api_version - 1][level]
    return frozenset(tags)
