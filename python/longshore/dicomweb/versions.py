"""API versions: one path segment in front of every DICOMweb route (`/v2/studies`)."""

from collections.abc import Callable, Sequence
from typing import Final

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from longshore.dicomweb.errors import text_response

_VERSIONS: Final = {"1.0-prerelease": 1, "1": 1, "1.0": 1, "2": 2, "2.0": 2}
SUPPORTED_VERSIONS = "1.0-prerelease, 1, 2"


class _VersionText(Convertor[str]):
    """What reads as a version, known or not; other text is no route at all."""

    regex = r"[0-9]+(?:\.[0-9]+)?(?:-[A-Za-z][0-9A-Za-z]*)?"

    @override
    def convert(self, value: str) -> str:
        return value

    @override
    def to_string(self, value: str) -> str:
        return value


register_url_convertor("api_version", _VersionText())


def api_version(request: Request) -> int:
    """Returns 1 or 2: whose behaviour the request asks for."""
    return _VERSIONS[request.path_params["version"].lower()]


Describe = Callable[[Request, str, str], Response]
"""Answers OPTIONS: of the request, the template of its route's path, and the value of Allow."""


class RouteTable:
    """Routes as an ASGI application.

    Differs from Starlette's router in two answers: 405 with the methods of every route of that
    path, and OPTIONS (PS3.18 8.9).
    """

    def __init__(self, routes: Sequence[BaseRoute], describe: Describe) -> None:
        self.routes = list(routes)
        self._describe = describe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request to its route."""
        allowed: set[str] = set()
        path = ""
        for route in self.routes:
            match, child_scope = route.matches(scope)
            if match is Match.FULL:
                scope.update(child_scope)
                await route.handle(scope, receive, send)
                return
            if match is Match.PARTIAL and isinstance(route, Route):
                allowed |= route.methods or set()
                path = path or route.path
        response = self._without_route(scope, path, allowed)
        await response(scope, receive, send)

    def _without_route(self, scope: Scope, path: str, allowed: set[str]) -> Response:
        if not allowed:
            return Response(status_code=404)
        methods = ", ".join(sorted(allowed | {"OPTIONS"}))
        if scope["method"] == "OPTIONS":
            return self._describe(Request(scope), path, methods)
        text = f"The resource does not support HTTP method '{scope['method']}', only {methods}."
        return text_response(405, text, {"Allow": methods})


class VersionedRoutes(RouteTable):
    """The routes behind the version segment: refuses a version that is not served."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path_params"]["version"].lower() in _VERSIONS:
            await super().__call__(scope, receive, send)
        else:
            await _unsupported(Request(scope))(scope, receive, send)


def _unsupported(request: Request) -> Response:
    version = request.path_params["version"]
    text = (
        f"The HTTP resource that matches the request URI '{request.url.replace(query='')}' does"
        f" not support the API version '{version}'."
    )
    return JSONResponse({"error": {"code": "UnsupportedApiVersion", "message": text}}, 400)
