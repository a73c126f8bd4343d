"""The URI service (WADO-URI), PS3.18 9: one instance, named by query parameters.

`contentType=application/dicom` is served as Retrieve serves an instance, anything else as it serves
a rendered one.
"""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicomweb.media_types import DICOM, MediaRange, parse_accept
from longshore.dicomweb.partitions import partition_of
from longshore.dicomweb.responses import relocated
from longshore.dicomweb.retrieve import answer_instances
from longshore.dicomweb.retrieve_rendered import SHOWN_TYPES, answer_picture
from longshore.dicomweb.urls import PathUids, checked_uid
from longshore.dicomweb.wado_uri_parameters import frame_number, wish
from longshore.errors import InvalidRequest

_UIDS = ("studyUID", "seriesUID", "objectUID")


@relocated
async def retrieve_by_uri(request: Request) -> Response:
    """Retrieves one instance."""
    partition = await partition_of(request)
    if _parameter(request, "requestType") != "WADO":
        raise InvalidRequest("requestType must be WADO.")
    uids = PathUids(*(checked_uid(_parameter(request, name)) for name in _UIDS))
    if request.query_params.get("anonymize", "no") != "no":
        raise InvalidRequest("anonymize is not supported; leave it out.")
    ranges = _content_types(request)
    dicom = next((at for at, each in enumerate(ranges) if each.media_type == DICOM), None)
    if dicom == 0 or (dicom and not _is_shown(ranges[:dicom])):
        syntax = request.query_params.get("transferSyntax", "").strip()
        accepted = [MediaRange(DICOM, (("transfer-syntax", syntax or "*"),), 1.0)]
        return await answer_instances(request, partition, uids, accepted)
    number = frame_number(request)
    numbers = None if number is None else [number]
    return await answer_picture(request, partition, uids, numbers, wish(request), ranges)


def _is_shown(ranges: Sequence[MediaRange]) -> bool:
    """Tells whether something may be shown as one of n media ranges."""
    return any(each.covers(media_type) for each in ranges for media_type in SHOWN_TYPES)


def _content_types(request: Request) -> Sequence[MediaRange]:
    """Returns what is asked for, best first; without a word of it, a picture (PS3.18 9.4)."""
    text = ",".join(request.query_params.getlist("contentType"))
    return parse_accept(text) or [MediaRange("*/*", (), 1.0)]


def _parameter(request: Request, name: str) -> str:
    values = request.query_params.getlist(name)
    if len(values) != 1 or not values[0].strip():
        raise InvalidRequest(f"The query parameter '{name}' must be given once.")
    return values[0].strip()


wado_uri_routes = [Route("/wado", retrieve_by_uri)]
