"""Search transaction (QIDO-RS), PS3.18 10.6: HTTP in and out."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicomweb.media_types import dicom_json_or_xml
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.partitions import partition_of
from longshore.dicomweb.search_attributes import (
    RESOURCES,
    SYNTHETIC_TAGS,
    SearchResource,
    returned_tags,
)
from longshore.dicomweb.search_extended import searchable
from longshore.dicomweb.search_paging import paging_headers
from longshore.dicomweb.search_parameters import parse_parameters
from longshore.dicomweb.search_results import render
from longshore.dicomweb.urls import checked_uid, instance_url, service_url
from longshore.dicomweb.versions import api_version
from longshore.index.search import SearchQuery
from longshore.index.search_columns import (
    MATCHED,
    SERIES_INSTANCE_UID,
    STUDY_INSTANCE_UID,
)
from longshore.index.search_filters import Filter
from longshore.index.search_match import Exact
from longshore.services.search_fields import search_with_fields

_PATH_TAGS: Final = {"study": STUDY_INSTANCE_UID, "series": SERIES_INSTANCE_UID}


def _path_filters(request: Request) -> list[Filter]:
    params = request.path_params
    return [
        Filter(MATCHED[tag], Exact(checked_uid(params[name])))
        for name, tag in _PATH_TAGS.items()
        if name in params
    ]


def _search(resource: SearchResource) -> Callable[[Request], Awaitable[Response]]:
    async def search(request: Request) -> Response:
        """Answers 200 with all results of the page, or 204 without a body if nothing matches."""
        partition = await partition_of(request)
        media_type = dicom_json_or_xml(request, in_parts=True)
        origin = origin_of(request)
        filters = _path_filters(request)
        pairs = request.query_params.multi_items()
        can_be = await searchable(origin.database, (name for name, _ in pairs), resource)
        parameters = parse_parameters(pairs, resource, origin.search_limits, can_be.matched)
        tags = returned_tags(
            resource,
            api_version=api_version(request),
            is_all=parameters.is_all,
            asked=parameters.included.union(parameters.matched, *(each.tags for each in filters)),
        )
        query = SearchQuery(
            level=resource.level,
            partition_key=partition.key,
            filters=[*filters, *parameters.filters],
            fields=tags - SYNTHETIC_TAGS,
            limit=parameters.limit,
            skip=parameters.skip,
            order=parameters.order,
            behind=parameters.behind,
            wants_total=parameters.wants_total,
            private_creators=can_be.private_creators,
        )
        service = service_url(request)
        page = await search_with_fields(
            origin.database,
            origin.blobs,
            query,
            limits=origin.search_limits,
            url_of=partial(instance_url, service),
        )
        url = service + resource.path.format(**request.path_params)
        headers = {**paging_headers(request, page, resource=url), **can_be.headers}
        if not page.results:
            return Response(status_code=204, headers=headers)
        body = await render(page.results, tags=tags, service=service, media_type=media_type)
        headers["Content-Type"] = body.content_type
        return Response(body.content, headers=headers)

    return search


search_routes: Final = [
    Route(resource.path, _search(resource), methods=["GET"]) for resource in RESOURCES
]
"""The six Search resources, relative to the version segment."""
