"""The bodies of requests for extended query tags, checked as the model checks them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import orjson
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.valuerep import VR

from longshore.dicom import strict_fault
from longshore.dicomweb.search_attributes import tag_of
from longshore.errors import InvalidRequest
from longshore.index.extended_tags import LEVELS, ExtendedTag
from longshore.index.extended_values import COLUMNS

BODY_BYTES_MAX: Final = 1024**2
QUERY_STATUSES: Final = ("enabled", "disabled")

_SHOWN: Final = re.compile(r"[A-Za-z0-9]{1,64}")  # what may be repeated in an error text
_VR: Final = re.compile(r"[A-Z]{2}")
_KNOWN_VRS: Final = frozenset(each.value for each in VR if len(each.value) == 2)
# What the model's Search has without tags; our own further attributes may be tags, as in the model.
_CORE: Final = frozenset(
    tag_of(keyword)
    for keyword in (
        "StudyInstanceUID",
        "StudyDate",
        "StudyDescription",
        "AccessionNumber",
        "PatientID",
        "PatientName",
        "ReferringPhysicianName",
        "PatientBirthDate",
        "ModalitiesInStudy",
        "SeriesInstanceUID",
        "Modality",
        "PerformedProcedureStepStartDate",
        "ManufacturerModelName",
        "SOPInstanceUID",
    )
)
_ELEMENT_OF_BLOCK_MIN: Final = 0x1000  # PS3.5 7.8.1


def parse_tags(body: bytes) -> list[ExtendedTag]:
    """Reads the tags to add.

    Returns:
        n tags, at least one, without keys.

    Raises:
        InvalidRequest: The first thing that is wrong, and what is accepted instead.
    """
    entries = _json(body)
    if not isinstance(entries, list) or not entries:
        raise InvalidRequest(
            "The extended query tag(s) is missing; send a JSON array of at least one."
        )
    found: dict[str, ExtendedTag] = {}
    for at, entry in enumerate(cast("list[Any]", entries)):
        tag = _tag(at, _members(entry))
        if tag.path in found:
            raise InvalidRequest(f"The extended query tag '{tag.path}' has been specified before.")
        found[tag.path] = tag
    return list(found.values())


def parse_query_status(body: bytes) -> str:
    """Reads whether a tag shall be searched by: `enabled` or `disabled`.

    Raises:
        InvalidRequest: Anything else stands there.
    """
    members = _members(_json(body))
    for name in members:
        if name != "querystatus":
            raise InvalidRequest(f'The field is not supported: "{_shown(name)}".')
    status = members.get("querystatus")
    if not isinstance(status, str) or status.lower() not in QUERY_STATUSES:
        raise InvalidRequest(
            "The field '$.QueryStatus' in request body is invalid: Expected value"
            f" '{_shown(status)}' to be one of the following values: ['Disabled', 'Enabled']"
        )
    return status.lower()


def parse_path(text: str) -> str:
    """Reads a tag's path: 8 hexadecimal digits, or a standard attribute's keyword.

    Raises:
        InvalidRequest: It is neither.
    """
    if "." in text:
        raise InvalidRequest("Sequential dicom tags are currently not supported.")
    tag = tag_of(text)
    if tag is None:
        raise _unreadable(text)
    return f"{tag:08X}"


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # Not chained: it quotes what it could not read.
        raise InvalidRequest("The syntax of the request body is invalid.") from None


def _members(entry: object) -> dict[str, Any]:
    """Returns an object's members by their names in lower case; null is none."""
    if not isinstance(entry, dict):
        raise InvalidRequest("The syntax of the request body is invalid: expected an object.")
    members = cast("Mapping[str, Any]", entry)
    return {name.lower(): value for name, value in members.items() if value is not None}


def _tag(at: int, members: Mapping[str, Any]) -> ExtendedTag:
    path = parse_path(_required(at, members, "Path"))
    level = _level(at, members)
    tag = int(path, 16)
    if tag in _CORE:
        raise InvalidRequest(f"The query tag '{path}' is already supported.")
    vr = _vr(path, _optional(at, members, "VR"))
    creator = _private_creator(path, _optional(at, members, "PrivateCreator"))
    return ExtendedTag(0, path, vr, creator, level)


def _level(at: int, members: Mapping[str, Any]) -> str:
    level = _required(at, members, "Level").lower()
    if level not in LEVELS:
        raise InvalidRequest(
            f"The field '$[{at}].Level' in request body is invalid: Expected value"
            f" '{_shown(members['level'])}' to be one of the following values:"
            " ['Instance', 'Series', 'Study']"
        )
    return level


def _required(at: int, members: Mapping[str, Any], name: str) -> str:
    text = _optional(at, members, name)
    if not text:
        raise InvalidRequest(
            f"The field '[{at}].{name}' in request body is invalid: The Dicom Tag Property {name}"
            " must be specified and must not be null, empty or whitespace."
        )
    return text


def _optional(at: int, members: Mapping[str, Any], name: str) -> str:
    text = members.get(name.lower(), "")
    if not isinstance(text, str):
        raise InvalidRequest(
            f"The field '$[{at}].{name}' in request body is invalid: expected a text."
        )
    return text.strip()


def _vr(path: str, text: str) -> str:
    code = text.upper()
    expected = _vrs_of(path)
    if not code:
        if not expected:
            raise InvalidRequest(f"The vr for tag '{path}' is missing.")
        code = next((each for each in expected if each in COLUMNS), expected[0])
    if code not in _KNOWN_VRS:
        raise InvalidRequest(f"The VR code '{_shown(text)}' for tag '{path}' is invalid.")
    if code not in COLUMNS:
        raise InvalidRequest(
            f"The VR code '{code}' specified for tag '{path}' is not supported; these are:"
            f" {' '.join(sorted(COLUMNS))}."
        )
    if expected and code not in expected:
        raise InvalidRequest(
            f"The VR code '{code}' is incorrectly specified for '{path}'. The expected VR code for"
            f" it is '{expected[0]}'. Retry this request either with the correct VR code or without"
            " specifying it."
        )
    return code


def _vrs_of(path: str) -> Sequence[str]:
    """Returns the VRs that an attribute may have (PS3.6); none for what the standard has not."""
    tag = int(path, 16)
    if _is_private(tag):
        return ["LO"] if _is_identification_code(tag) else []
    return _VR.findall(dictionary_VR(tag)) if dictionary_has_tag(tag) else []


def _private_creator(path: str, text: str) -> str | None:
    tag = int(path, 16)
    if not _is_private(tag):
        if text:
            raise InvalidRequest(f"The private creator is not empty for standard tag '{path}'.")
        return None
    if _is_identification_code(tag):
        if text:
            raise InvalidRequest(
                f"The private creator is not empty for private identification code '{path}'."
            )
        return None
    if tag & 0xFFFF < _ELEMENT_OF_BLOCK_MIN:
        raise _unreadable(path)
    if not text:
        raise InvalidRequest(f"The private creator for private tag '{path}' is missing.")
    if strict_fault("LO", text) is not None:
        raise InvalidRequest(
            f"The private creator for private tag '{path}' is not a valid LO attribute."
        )
    return text


def _is_private(tag: int) -> bool:
    return tag >> 16 & 1 == 1


def _is_identification_code(tag: int) -> bool:
    """True for (gggg,00xx), which reserves a block of a private group (PS3.5 7.8.1)."""
    return tag & 0xFF00 == 0


def _unreadable(text: str) -> InvalidRequest:
    return InvalidRequest(
        f"The extended query tag '{_shown(text)}' is invalid as it cannot be parsed into a valid"
        " Dicom Tag; give 8 hexadecimal digits or a keyword."
    )


def _shown(value: object) -> str:
    return value if isinstance(value, str) and _SHOWN.fullmatch(value) else "..."
