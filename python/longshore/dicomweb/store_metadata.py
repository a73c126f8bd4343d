"""The parts of a Store of metadata and bulkdata (PS3.18 10.5.1.1): bytes in, values out.

The metadata's shape is checked here, so that a broken part is an error before anything is stored.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast
from urllib.parse import unquote, urljoin

import orjson

from longshore.dicomweb import media_types, native_xml_reader, transfer_syntaxes
from longshore.errors import InvalidRequest
from longshore.services.part10_writer import VRS, Bulkdata, DataSet
from longshore.services.store_metadata import Described, Part

ITEM_DEPTH_MAX = 64
"""Sequences within sequences, as everywhere in this service."""

_HEX = frozenset("0123456789ABCDEF")
_CID = "cid:"


def read_parts(parts: Sequence[Part], *, root_type: str, base_url: str) -> Described:
    """Reads metadata and bulkdata.

    Args:
        parts: n parts, at least one; the first is metadata.
        root_type: The request's `type` parameter, which the first part inherits.
        base_url: Of the request; relative URIs begin there (RFC 3986 5.1.3).

    Raises:
        InvalidRequest: The metadata are not what they say.
    """
    datasets: list[DataSet] = []
    bulkdata: dict[str, list[tuple[Part, str, dict[str, str]]]] = {}
    for number, part in enumerate(parts, 1):
        inherited = root_type if number == 1 else ""
        media_type, parameters = media_types.media_type_of(part.content_type or inherited)
        if media_type in media_types.METADATA_TYPES:
            datasets += _datasets(part, media_type, base_url=base_url, number=number)
            continue
        if number == 1:
            raise InvalidRequest(f"The first part of the request is not {root_type}.")
        for key in _names(part, base_url):
            bulkdata.setdefault(key, []).append((part, media_type, parameters))
    return Described(datasets, {key: _bulkdata(found) for key, found in bulkdata.items()})


def _names(part: Part, base_url: str) -> list[str]:
    names: list[str] = []
    if part.content_location:
        # A location that is no URI is nobody's.
        with suppress(ValueError):
            names.append(urljoin(base_url, part.content_location))
    if part.content_id:
        names.append(_CID + part.content_id.strip("<>"))
    return names


def _key(uri: str, base_url: str) -> str:
    """Returns a URI as `_names` has it (RFC 2392, RFC 2557 5)."""
    if uri[: len(_CID)].lower() == _CID:
        return _CID + unquote(uri[len(_CID) :])
    return urljoin(base_url, uri)


def _bulkdata(found: Sequence[tuple[Part, str, dict[str, str]]]) -> Bulkdata:
    """Returns what came under one name; the first part says what it is."""
    part, media_type, parameters = found[0]
    media_type = transfer_syntaxes.current_name(media_type)
    syntax = parameters.get("transfer-syntax", "")
    if not syntax or not set(syntax) <= set("0123456789."):
        syntax = transfer_syntaxes.transfer_syntax_of(media_type, part.content) or ""
    if syntax == transfer_syntaxes.EXPLICIT_BIG_ENDIAN:
        raise InvalidRequest("Bulkdata must be little endian (PS3.18 8.7.3.3.2).")
    is_native = not syntax or syntax in transfer_syntaxes.LITTLE_ENDIAN
    return Bulkdata([each.content for each, _, _ in found], None if is_native else syntax)


def _datasets(part: Part, media_type: str, *, base_url: str, number: int) -> list[DataSet]:
    try:
        if media_type == media_types.DICOM_XML:
            found: Any = native_xml_reader.read(part.content)
        else:
            found = orjson.loads(part.content)
    except orjson.JSONDecodeError:
        raise InvalidRequest(f"Part {number} of the request is no JSON.") from None
    datasets = cast("list[Any]", found if isinstance(found, list) else [found])
    for dataset in datasets:
        _check(dataset, base_url, depth=0, number=number)
    return datasets


def _check(dataset: Any, base_url: str, *, depth: int, number: int) -> None:
    """Makes sure that the shape is that of PS3.18 F.2, and makes keys of URIs."""

    def wrong(reason: str) -> InvalidRequest:
        return InvalidRequest(f"Part {number} of the request is no DICOM JSON Model: {reason}.")

    if not isinstance(dataset, dict):
        raise wrong("a data set is no object")
    if depth > ITEM_DEPTH_MAX:
        raise wrong(f"more than {ITEM_DEPTH_MAX} sequences within one another")
    for tag, element in cast("dict[str, Any]", dataset).items():
        if len(tag) != 8 or not set(tag) <= _HEX:
            raise wrong("a tag is not of 8 hexadecimal digits in capitals")
        if not isinstance(element, dict):
            raise wrong(f"the element {tag} is no object")
        element = cast("dict[str, Any]", element)
        _check_element(element, tag, base_url, wrong)
        if element["vr"] == "SQ":
            for item in element.get("Value", ()):
                if item is not None:
                    _check(item, base_url, depth=depth + 1, number=number)


def _check_element(
    element: dict[str, Any], tag: str, base_url: str, wrong: Callable[[str], InvalidRequest]
) -> None:
    if element.get("vr") not in VRS:
        raise wrong(f"the element {tag} has no vr of PS3.5 6.2")
    if not isinstance(element.get("Value", []), list):
        raise wrong(f"the Value of {tag} is no array")
    if "BulkDataURI" in element:
        if not isinstance(element["BulkDataURI"], str):
            raise wrong(f"the BulkDataURI of {tag} is no text")
        try:
            element["BulkDataURI"] = _key(element["BulkDataURI"], base_url)
        except ValueError:
            raise wrong(f"the BulkDataURI of {tag} is no URI") from None
