"""The outermost layer: what holds for every request and every answer, whichever route it meets.

Standard headers, the guard of the query string, no body for HEAD, the end of streams that nobody
reads and of connections with a body that nobody read, and the last word on errors nobody expected.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from longshore.dicomweb.errors import INTERNAL_ERROR_TEXT, text_response
from longshore.dicomweb.versions import SUPPORTED_VERSIONS
from longshore.errors import without_values

_log = logging.getLogger(__name__)

_VERSIONED = re.compile(r"/v\d[^/]*(?:/|$)", re.IGNORECASE)
STANDARD_HEADERS = (
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

    def __init__(
        self, app: ASGIApp, download_idle_s_max: float, frame_ancestors: Sequence[str] = ()
    ) -> None:
        """Takes origins whose pages may show answers within themselves, a PDF, say."""
        self._app = app
        self._download_idle_s_max = download_idle_s_max
        # Browsers that know this one heed X-Frame-Options no more (CSP3 6.4.2).
        allowed = f"frame-ancestors 'self' {' '.join(frame_ancestors)};" if frame_ancestors else ""
        self._added = [(b"content-security-policy", allowed.encode())] if allowed else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection event stream; only HTTP is touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive) if _has_body(scope) else None
        receive = body.receive if body else receive
        answer = _Answer(scope, send, self._download_idle_s_max, self._added, body)
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


def _has_body(scope: Scope) -> bool:
    """Tells whether a request of HTTP/1.1 has a body (RFC 9112 6)."""
    if scope["method"] in ("GET", "HEAD") or scope["http_version"] == "2":
        return False
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


class _Body:
    """A request's body on its way in; notes whether it was read to its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_whole = False

    async def receive(self) -> Message:
        """Passes a message on."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self.is_whole = True
        return message


class _Answer:
    """One response on its way out."""

    def __init__(
        self,
        scope: Scope,
        send: Send,
        download_idle_s_max: float,
        added: Sequence[tuple[bytes, bytes]],
        body: _Body | None,
    ) -> None:
        self.is_started = False
        self._body = body
        self._added = added
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
            added = [*self._added, *([_VERSIONS_HEADER] if self._is_versioned else [])]
            if self._body is not None and not self._body.is_whole:
                # What is left of the body would be taken for the next request, so that the server
                # ends the connection; the client should know (RFC 9112 9.6).
                added.append((b"connection", b"close"))
            message["headers"] = [*message["headers"], *STANDARD_HEADERS, *added]
        elif message["type"] == "http.response.body" and self._is_head:
            message = {**message, "body": b""}
        if self._send_s_max is None:
            await self._send(message)
            return
        try:
            async with asyncio.timeout(self._send_s_max):
                await self._send(message)
        except TimeoutError:
            raise StalledStreamError from None
