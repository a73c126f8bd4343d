"""All routes, and how paths are matched: any case, with or without a slash at the end."""

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send
from typing_extensions import override

from longshore.dicomweb.changes import change_routes
from longshore.dicomweb.cors import Cors
from longshore.dicomweb.delete import delete_routes
from longshore.dicomweb.edge import Edge
from longshore.dicomweb.errors import EXCEPTION_HANDLERS
from longshore.dicomweb.extended_query_tags import extended_query_tag_routes
from longshore.dicomweb.health import health_routes
from longshore.dicomweb.json_gzip import JsonGzip
from longshore.dicomweb.openapi.capabilities import capabilities
from longshore.dicomweb.openapi.routes import openapi_routes, prerelease_routes
from longshore.dicomweb.operations import operation_routes
from longshore.dicomweb.partitions import PARTITION_PATH, partition_routes
from longshore.dicomweb.retrieve import retrieve_routes
from longshore.dicomweb.search import search_routes
from longshore.dicomweb.store import store_routes
from longshore.dicomweb.versions import RouteTable, VersionedRoutes
from longshore.dicomweb.wado_uri import wado_uri_routes


def build_app(
    lifespan: Lifespan[Starlette] | None = None,
    *,
    download_idle_s_max: float = 60.0,
    cors_origins: Sequence[str] = (),
) -> Starlette:
    """Returns the HTTP application; its lifespan puts an `Origin` into `app.state.origin`.

    Args:
        cors_origins: Whose pages may ask from a browser, and show answers; `*`: everyone's.
    """
    return wrapped(
        build_routes(),
        lifespan,
        download_idle_s_max=download_idle_s_max,
        cors_origins=cors_origins,
    )


def wrapped(
    routes: Sequence[BaseRoute],
    lifespan: Lifespan[Starlette] | None = None,
    *,
    download_idle_s_max: float = 60.0,
    cors_origins: Sequence[str] = (),
) -> Starlette:
    """Returns an application that answers as every route of ours does, whatever the routes."""
    cors = [Middleware(Cors, cors_origins)] if cors_origins else []
    return _Service(
        routes=routes,
        middleware=[
            *cors,
            Middleware(Edge, download_idle_s_max, cors_origins),
            Middleware(JsonGzip),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )


class _Service(Starlette):
    """Starlette without its outermost layer: `Edge` has the last word on errors."""

    @override
    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = ExceptionMiddleware(self.router, self.exception_handlers)
        for each in reversed(self.user_middleware):
            app = each.cls(app, *each.args, **each.kwargs)
        return app


def build_routes() -> list[BaseRoute]:
    """Returns all routes."""
    partitioned = _tolerant(PARTITIONED_ROUTES)
    mount = _mount(PARTITION_PATH, RouteTable(partitioned, capabilities))
    behind = VersionedRoutes([*partitioned, mount, *_tolerant(SHARED_ROUTES)], capabilities)
    # Without it, Starlette would redirect a bare version to itself with a slash.
    bare_version = Route("/v{version:api_version}", behind)
    return [
        *_tolerant(prerelease_routes),
        _mount("/v{version:api_version}", behind),
        *_tolerant([*health_routes, bare_version]),
    ]


PARTITIONED_ROUTES: Final = (
    # First what is asked for most: routes are tried in this order.
    *retrieve_routes,
    *store_routes,
    *search_routes,
    *wado_uri_routes,
    *delete_routes,
)
"""Routes of one partition: below the version, or below `/partitions/{name}` there.

Each asks `partition_of`, or `new_partition_of`, which partition that is."""
SHARED_ROUTES: Final = (
    *change_routes,
    *extended_query_tag_routes,
    *operation_routes,
    *partition_routes,
    *openapi_routes,
)
"""Routes of the service as a whole: below the version."""


def _mount(path: str, app: ASGIApp) -> Mount:
    """Puts an application below a path, whose literal segments are in any case."""
    mount = Mount(path, app=app)
    # A line break is no UID, but it shall be refused as a bad one rather than be no route.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.IGNORECASE | re.DOTALL)
    return mount


def _tolerant(routes: Sequence[Route]) -> list[Route]:
    """Returns the routes with literal segments in any case and a trailing slash ignored."""
    tolerant: list[Route] = []
    for route in map(copy, routes):
        pattern = route.path_regex.pattern.removesuffix("$")
        route.path_regex = re.compile(f"{pattern}/?$", re.IGNORECASE)
        if inspect.iscoroutinefunction(route.endpoint):
            route.app = _Endpoint(route.endpoint)
        tolerant.append(route)
    return tolerant


class _Endpoint:
    """A route's function as an ASGI application.

    Starlette's own catches the errors of each route; here one layer catches those of all.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)
