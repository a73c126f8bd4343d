"""The body of a Search response (PS3.18 10.6.3, Annex F)."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson

from longshore.dicomweb import native_xml, urls
from longshore.dicomweb.media_types import DICOM_JSON, DICOM_XML
from longshore.dicomweb.multipart import envelope
from longshore.dicomweb.search_attributes import (
    INSTANCE_AVAILABILITY,
    RETRIEVE_URL,
    SPECIFIC_CHARACTER_SET,
)
from longshore.index.search_rows import Element, Found

# JSON is UTF-8, whatever the data set was encoded in (PS3.18 F.2).
_UTF_8: Element = {"vr": "CS", "Value": ["ISO_IR 192"]}
_ONLINE: Element = {"vr": "CS", "Value": ["ONLINE"]}

_RESULTS_PER_TURN: Final = 64  # some 5 µs each: other requests get the event loop in between
_DOCUMENTS_PER_TURN: Final = 8  # some 50 µs each


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent, and the media type that says so."""

    content_type: str
    content: bytes


async def render(
    results: Sequence[Found], *, tags: frozenset[int], service: str, media_type: str
) -> Body:
    """Returns the results, each with its tags ascending (PS3.18 F.2.2).

    Args:
        results: As `services.search_with_fields` found them; at least one.
        tags: What is returned of each; what a result does not have is left out.
        service: The URL that RetrieveURL begins with.
        media_type: DICOM JSON: one array. Native DICOM Model XML: one part for each result.
    """
    data_sets = (_result(each, tags, service) for each in results)
    if media_type == DICOM_XML:
        return await _parts(data_sets)
    turns: list[bytes] = []
    while turn := list(islice(data_sets, _RESULTS_PER_TURN)):
        turns.append(orjson.dumps(turn)[1:-1])
        await asyncio.sleep(0)
    return Body(DICOM_JSON, b"[%b]" % b",".join(turns))


async def _parts(data_sets: Iterator[dict[str, Any]]) -> Body:
    documents: list[bytes] = []
    while turn := list(islice(data_sets, _DOCUMENTS_PER_TURN)):
        documents += [native_xml.write(each) for each in turn]
        await asyncio.sleep(0)
    around = envelope(DICOM_XML, [DICOM_XML] * len(documents))
    pieces = [piece for pair in zip(around.heads, documents, strict=True) for piece in pair]
    return Body(around.content_type, b"".join([*pieces, around.tail]))


def _result(found: Found, tags: frozenset[int], service: str) -> dict[str, Any]:
    elements = dict(found.attributes)
    if SPECIFIC_CHARACTER_SET in tags:
        elements["00080005"] = _UTF_8
    if INSTANCE_AVAILABILITY in tags:
        elements["00080056"] = _ONLINE
    if RETRIEVE_URL in tags:
        elements["00081190"] = {"vr": "UR", "Value": [_retrieve_url(found, service)]}
    return dict(sorted(elements.items()))


def _retrieve_url(found: Found, service: str) -> str:
    if found.series_uid is None:
        return urls.study_url(service, found.study_uid)
    if found.sop_instance_uid is None:
        return urls.series_url(service, found.study_uid, found.series_uid)
    return urls.instance_url(service, found.study_uid, found.series_uid, found.sop_instance_uid)
