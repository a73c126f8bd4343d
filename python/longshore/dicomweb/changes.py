"""Change feed (the model's, not PS3.18's): what was created and deleted, in the order of commits.

v1 pages by watermark: `offset` is the last one seen and `limit` a window of watermarks. v2 pages
by row within a window of time.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicomweb import change_parameters, urls
from longshore.dicomweb.media_types import JSON
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.responses import relocated
from longshore.dicomweb.versions import api_version
from longshore.index import changes
from longshore.index.changes import Change
from longshore.index.locate import Located
from longshore.services.retrieve import in_pack_order
from longshore.services.retrieve_metadata import Metadata, read_metadata


@relocated
async def list_changes(request: Request) -> Response:
    """Lists changes, oldest first; 200 with an empty array if there are none."""
    database = origin_of(request).database
    if api_version(request) == 1:
        page = change_parameters.watermark_page(request.query_params)
        found = await changes.changes_after(database, watermark=page.after, limit=page.limit)
    else:
        page = change_parameters.time_page(request.query_params)
        found = await changes.changes_between(
            database, start=page.start, end=page.end, skip=page.skip, limit=page.limit
        )
    return _json(await _entries(request, found, has_metadata=page.has_metadata))


@relocated
async def latest_change(request: Request) -> Response:
    """Returns the newest change; 204 if there never was one."""
    has_metadata = change_parameters.include_metadata(request.query_params)
    change = await changes.latest(origin_of(request).database)
    if change is None:
        return Response(status_code=204)
    (entry,) = await _entries(request, [change], has_metadata=has_metadata)
    return _json(entry)


async def _entries(
    request: Request, found: Sequence[Change], *, has_metadata: bool
) -> list[dict[str, Any]]:
    """Returns the wire form; metadata is the current one, whatever the change was."""
    metadata = await _metadata(request, found) if has_metadata else {}
    return [_entry(each, metadata) for each in found]


async def _metadata(request: Request, found: Sequence[Change]) -> dict[int, bytes]:
    """Returns the metadata of what is still there, by instance key."""
    version_url = urls.service_url(request)
    is_partitioned = origin_of(request).partitions.is_enabled
    current: dict[int, Located] = {}
    services: dict[int, str] = {}
    for change in found:
        if change.located is not None:
            key = change.located.instance_key
            current[key] = change.located
            name = change.partition_name
            services[key] = f"{version_url}/partitions/{name}" if is_partitioned else version_url

    def url_of(each: Located) -> str:
        service = services[each.instance_key]
        return urls.instance_url(service, each.study_uid, each.series_uid, each.sop_instance_uid)

    located = in_pack_order(list(current.values()))
    plains = await read_metadata(Metadata(origin_of(request).blobs, located, url_of))
    return {each.instance_key: plain for each, plain in zip(located, plains, strict=True)}


def _entry(change: Change, metadata: dict[int, bytes]) -> dict[str, Any]:
    """Returns one entry: members in camelCase, `action` and `state` in PascalCase."""
    entry: dict[str, Any] = {
        "sequence": change.watermark,
        "partitionName": change.partition_name,
        "studyInstanceUid": change.study_uid,
        "seriesInstanceUid": change.series_uid,
        "sopInstanceUid": change.sop_instance_uid,
        "action": change.action.capitalize(),
        "timestamp": change.changed_at,
        "state": change.state.capitalize(),
    }
    plain = metadata.get(change.located.instance_key) if change.located else None
    if plain is not None:
        entry["metadata"] = orjson.Fragment(plain)
    return entry


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type=JSON)


change_routes = [
    Route("/changefeed", list_changes),
    Route("/changefeed/latest", latest_change),
]
