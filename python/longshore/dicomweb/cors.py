"""CORS: which web pages of other origins may read the answers (Fetch Standard, CORS protocol).

Goes around everything, so that a viewer can read errors too. Credentials that a browser adds by
itself (cookies) are not allowed; a header Authorization is, as any header.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp
from typing_extensions import override

from longshore.dicomweb.edge import STANDARD_HEADERS

EXPOSED_HEADERS = (
    "Accept-Ranges",
    "Content-Length",
    "Content-Location",
    "Content-Range",
    "ETag",
    "Link",
    "Retry-After",
    "Warning",
    "X-Total-Count",
)
"""What scripts may read besides what they always may."""
ALLOWED_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
PREFLIGHT_S_MAX = 7200
"""How long a browser may keep the answer to a preflight, in seconds; Chromium keeps none longer."""


class Cors(CORSMiddleware):
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=ALLOWED_METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_S_MAX,
        )

    @override
    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        response.raw_headers += STANDARD_HEADERS
        return response
