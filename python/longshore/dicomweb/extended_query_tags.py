"""Extended query tags (the model's): attributes that clients make searchable."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicomweb import extended_query_tag_body as bodies
from longshore.dicomweb import urls
from longshore.dicomweb.errors import text_response
from longshore.dicomweb.media_types import JSON
from longshore.dicomweb.operations import operation_url
from longshore.dicomweb.origin import origin_of
from longshore.errors import InvalidRequest, Stalled, TooLarge, UnsupportedMediaType
from longshore.index import extended_tag_changes as changes
from longshore.index.extended_tags import ExtendedTag, TagError, errors_page, tags_page

_LIMIT_DEFAULT, _LIMIT_MAX = 100, 200
_OFFSET_MAX = 2**63 - 1  # PostgreSQL's bigint
_INTEGER: Final = re.compile(r"\+?[0-9]{1,19}")
_BODY_S_MAX = 30  # a few hundred bytes, over whatever connection
_JSON_TYPES: Final = ("application/json", "text/json")


async def add_tags(request: Request) -> Response:
    """Adds tags and has what is stored indexed by them; 202 with the operation."""
    tags = bodies.parse_tags(await _json_body(request))
    origin = origin_of(request)
    operation_id = uuid4()
    try:
        await changes.add_tags(origin.database, tags, operation_id)
    except changes.ReindexRunning as error:
        location = {"Location": operation_url(request, error.operation_id)}
        return text_response(409, str(error), location)
    origin.reindex_wanted.set()
    reference = _operation(request, operation_id)
    return _json(reference, 202, {"Location": reference["href"]})


async def list_tags(request: Request) -> Response:
    """Lists tags in the order in which they were added; 200 with an empty array without any."""
    limit, skip = _page(request)
    found = await tags_page(origin_of(request).database, limit=limit, skip=skip)
    return _json([_tag(request, each) for each in found])


async def get_tag(request: Request) -> Response:
    """Returns one tag."""
    return _json(_tag(request, await _found(request)))


async def change_tag(request: Request) -> Response:
    """Lets a tag be searched by, or not; returns it."""
    path = bodies.parse_path(request.path_params["tag"])
    query_status = bodies.parse_query_status(await _json_body(request))
    tag = await changes.set_query_status(
        origin_of(request).database, path=path, query_status=query_status
    )
    return _json(_tag(request, tag))


async def remove_tag(request: Request) -> Response:
    """Removes a tag, its values and its errors; what is stored stays as it is."""
    path = bodies.parse_path(request.path_params["tag"])
    origin = origin_of(request)
    await changes.remove_tag(origin.database, path=path)
    origin.reindex_wanted.set()
    return Response(status_code=204)


async def list_errors(request: Request) -> Response:
    """Lists the instances whose value could not be indexed."""
    limit, skip = _page(request)
    tag = await _found(request)
    found = await errors_page(
        origin_of(request).database, tag_key=tag.tag_key, limit=limit, skip=skip
    )
    return _json([_error(each) for each in found])


async def _found(request: Request) -> ExtendedTag:
    path = bodies.parse_path(request.path_params["tag"])
    found = await tags_page(origin_of(request).database, path=path)
    if not found:
        raise changes.no_such_tag(path)
    return found[0]


def _tag(request: Request, tag: ExtendedTag) -> dict[str, Any]:
    """Returns the wire form; members without a value are left out."""
    url = f"{urls.service_url(request)}/extendedquerytags/{tag.path}"
    errors = {"count": tag.error_count, "href": f"{url}/errors"}
    members = {
        "path": tag.path,
        "vr": tag.vr,
        "privateCreator": tag.private_creator,
        "status": tag.status,
        "level": tag.level,
        "errors": errors if tag.error_count else None,
        "operation": _operation(request, tag.operation_id) if tag.operation_id else None,
        "queryStatus": tag.query_status,
    }
    return {name: value for name, value in members.items() if value is not None}


def _operation(request: Request, operation_id: UUID) -> dict[str, str]:
    return {"id": operation_id.hex, "href": operation_url(request, operation_id)}


def _error(error: TagError) -> dict[str, Any]:
    return {
        "partitionName": error.partition_name,
        "studyInstanceUid": error.study_uid,
        "seriesInstanceUid": error.series_uid,
        "sopInstanceUid": error.sop_instance_uid,
        "createdTime": error.created_at,
        "errorMessage": error.message,
    }


async def _json_body(request: Request) -> bytes:
    """Returns the body, at most `BODY_BYTES_MAX`."""
    content_type = request.headers.get("content-type", "")
    essence = content_type.partition(";")[0].strip().lower()
    if essence not in _JSON_TYPES:
        raise UnsupportedMediaType(
            "The specified content type is not supported; send application/json."
        )
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > bodies.BODY_BYTES_MAX:
                    raise TooLarge(
                        f"The request exceeded the allowed limit of {bodies.BODY_BYTES_MAX} bytes."
                    )
    except TimeoutError:
        raise Stalled(f"The body did not come within {_BODY_S_MAX} seconds.") from None
    return bytes(body)


def _page(request: Request) -> tuple[int, int]:
    """Returns `limit` and `offset`."""
    values = {name.lower(): value for name, value in request.query_params.items()}
    return (
        _integer(values, "Limit", _LIMIT_DEFAULT, 1, _LIMIT_MAX),
        _integer(values, "Offset", 0, 0, _OFFSET_MAX),
    )


def _integer(values: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = values.get(name.lower())
    if text is None:
        return default
    number = int(text) if _INTEGER.fullmatch(text.strip()) else low - 1
    if not low <= number <= high:
        raise InvalidRequest(
            f"The query parameter '{name}' is invalid. The field {name} must be between {low} and"
            f" {high}."
        )
    return number


def _json(value: Any, http_status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = orjson.dumps(value, option=orjson.OPT_UTC_Z)
    return Response(body, http_status, headers=headers, media_type=JSON)


extended_query_tag_routes = [
    Route("/extendedquerytags", add_tags, methods=["POST"]),
    Route("/extendedquerytags", list_tags),
    Route("/extendedquerytags/{tag}", get_tag),
    Route("/extendedquerytags/{tag}", change_tag, methods=["PATCH"]),
    Route("/extendedquerytags/{tag}", remove_tag, methods=["DELETE"]),
    Route("/extendedquerytags/{tag}/errors", list_errors),
]
