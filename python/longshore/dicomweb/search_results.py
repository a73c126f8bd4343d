"""The body of a Search response (PS3.18 10.6.3, Annex F)."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import orjson

from longshore.dicomweb import urls
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


async def render(results: Sequence[Found], *, tags: frozenset[int], service: str) -> bytes:
    """Returns the results as a DICOM JSON array; each with its tags ascending (PS3.18 F.2.2).

    Args:
        results: As `services.search_with_fields` found them.
        tags: What is returned of each; what a result does not have is left out.
        service: The URL that RetrieveURL begins with.
    """
    turns: list[bytes] = []
    for start in range(0, len(results), _RESULTS_PER_TURN):
        turn = results[start : start + _RESULTS_PER_TURN]
        turns.append(orjson.dumps([_result(each, tags, service) for each in turn])[1:-1])
        await asyncio.sleep(0)
    return b"[%b]" % b",".join(turns)


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
