"""The outermost layer: what holds for every request and every answer, whichever route it meets.

Standard headers, the guard of the query string, no body for HEAD, the end of streams that nobody
reads, and the last word on errors nobody expected.
"""

import asyncio
import logging
import re
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from longshore.dicomweb.errors import INTERNAL_ERROR_TEXT, text_response
from longshore.dicomweb.versions import SUPPORTED_VERSIONS
from longshore.errors import without_values

_log = logging.getLogger(__name__)

_VERSIONED = re.compile(r"/v\d[^/]*(?:/|$)", re.IGNORECASE)
_STANDARD_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"content-security-policy", b"frame-src 'self';"),
)
_VERSIONS_HEADER = (b"api-supported-versions", SUPPORTED_VERSIONS.encode("ascii"))


class ResponseCutError(Exception):
    """An answer broke off after its first byte; all that is left is to cut the connection."""


class StalledStreamError(Exception):
    """The client of an HTTP/2 stream takes nothing of its answer."""


class Edge:
    """ASGI middleware; goes around everything else."""

    def __init__(self, app: ASGIApp, download_idle_s_max: float) -> None:
        self._app = app
        self._download_idle_s_max = download_idle_s_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection event stream; only HTTP is touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._download_idle_s_max)
        if b"<" in unquote_to_bytes(scope["query_string"]):
            refusal = text_response(400, "The query string included invalid characters.")
            await refusal(scope, receive, answer.send)
            return
        try:
            await self._app(scope, receive, answer.send)
        except StalledStreamError:
            _log.info("ended a stream whose client had stopped")
            raise ResponseCutError("the client reads no more") from None
        except Exception as error:
            _log.error("unexpected %s", without_values(error))
            if answer.is_started:
                raise ResponseCutError("the cause is in the line above") from None
            refusal = text_response(500, INTERNAL_ERROR_TEXT)
            await refusal(scope, receive, answer.send)


class _Answer:
    """One response on its way out."""

    def __init__(self, scope: Scope, send: Send, download_idle_s_max: float) -> None:
        self.is_started = False
        # Other streams of its connection may go on, so that the kernel sees no standstill. A whole
        # connection's is not measured here: a slow client may need long for one message.
        self._send_s_max = download_idle_s_max if scope["http_version"] == "2" else None
        self._send = send
        self._is_head = scope["method"] == "HEAD"
        self._is_versioned = _VERSIONED.match(scope["path"]) is not None

    async def send(self, message: Message) -> None:
        """Passes a message on, with the standard headers; HEAD loses the body."""
        if message["type"] == "http.response.start":
            self.is_started = True
            added = [_VERSIONS_HEADER] if self._is_versioned else []
            message["headers"] = [*message["headers"], *_STANDARD_HEADERS, *added]
        elif message["type"] == "http.response.body" and self._is_head:
            message = {**message, "body": b""}
        try:
            async with asyncio.timeout(self._send_s_max):
                await self._send(message)
        except TimeoutError:
            raise StalledStreamError from None
