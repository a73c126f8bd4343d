"""All routes, and how paths are matched: any case, with or without a slash at the end."""

import re
from collections.abc import Sequence
from copy import copy

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Lifespan

from longshore.dicomweb.changes import change_routes
from longshore.dicomweb.delete import delete_routes
from longshore.dicomweb.edge import Edge
from longshore.dicomweb.errors import EXCEPTION_HANDLERS, text_response
from longshore.dicomweb.extended_query_tags import extended_query_tag_routes
from longshore.dicomweb.health import health_routes
from longshore.dicomweb.json_gzip import JsonGzip
from longshore.dicomweb.operations import operation_routes
from longshore.dicomweb.retrieve import retrieve_routes
from longshore.dicomweb.search import search_routes
from longshore.dicomweb.store import store_routes
from longshore.dicomweb.versions import VersionedRoutes


def build_app(
    lifespan: Lifespan[Starlette] | None = None, *, download_idle_s_max: float = 60.0
) -> Starlette:
    """Returns the HTTP application; its lifespan puts an `Origin` into `app.state.origin`."""
    return wrapped(build_routes(), lifespan, download_idle_s_max=download_idle_s_max)


def wrapped(
    routes: Sequence[BaseRoute],
    lifespan: Lifespan[Starlette] | None = None,
    *,
    download_idle_s_max: float = 60.0,
) -> Starlette:
    """Returns an application that answers as every route of ours does, whatever the routes."""
    return Starlette(
        routes=routes,
        middleware=[Middleware(Edge, download_idle_s_max), Middleware(JsonGzip)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )


def build_routes() -> list[BaseRoute]:
    """Returns all routes."""
    versioned: list[Route] = [
        *store_routes,
        *search_routes,
        *retrieve_routes,
        *delete_routes,
        *change_routes,
        *extended_query_tag_routes,
        *operation_routes,
        *_partition_routes,
    ]
    behind = VersionedRoutes(_tolerant(versioned))
    mount = Mount("/v{version:api_version}", app=behind)
    mount.path_regex = re.compile(mount.path_regex.pattern, re.IGNORECASE)
    # Without it, Starlette would redirect a bare version to itself with a slash.
    bare_version = Route("/v{version:api_version}", behind)
    return [mount, *_tolerant([*health_routes, bare_version])]


async def refuse_partition(_: Request) -> Response:
    """Refuses every path of the partitions feature, which is not there yet."""
    return text_response(400, "Data partitions feature is disabled.")


_ANY_METHOD = ("GET", "POST", "PUT", "DELETE")
_partition_routes = [
    Route("/partitions", refuse_partition),
    Route("/partitions/{rest:path}", refuse_partition, methods=_ANY_METHOD),
]


def _tolerant(routes: Sequence[Route]) -> list[Route]:
    """Returns the routes with literal segments in any case and a trailing slash ignored."""
    tolerant: list[Route] = []
    for route in map(copy, routes):
        pattern = route.path_regex.pattern.removesuffix("$")
        route.path_regex = re.compile(f"{pattern}/?$", re.IGNORECASE)
        tolerant.append(route)
    return tolerant
