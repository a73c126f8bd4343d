"""gzip for JSON answers that are made in one piece (Search, change feed, ...).

Leaves alone whatever is streamed or has a content coding: DICOM bodies gain nothing, and metadata
comes compressed from the pack.
"""

import asyncio
import gzip

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from longshore.dicomweb.media_types import DICOM_JSON, JSON, accepts_gzip

PLAIN_BYTES_MIN = 2 * 1024  # below, the answer fits two TCP segments anyway
_INLINE_BYTES_MAX = 32 * 1024  # level 1 takes well under 0.5 ms for this; more goes to a thread
_LEVEL = 1


class JsonGzip:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request; only HTTP with a user agent that accepts gzip is touched."""
        if scope["type"] == "http" and accepts_gzip(Headers(scope=scope).get("accept-encoding")):
            send = _Compressing(send).send
        await self._app(scope, receive, send)


class _Compressing:
    """Holds a JSON answer's start back until its body shows whether to compress."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_candidate(
            Headers(raw=message["headers"])
        ):
            self._held = message
            return
        start, self._held = self._held, None
        if start is not None:
            body = message.get("body", b"")
            if not message.get("more_body", False) and len(body) >= PLAIN_BYTES_MIN:
                body = await _compressed(body)
                headers = MutableHeaders(scope=start)
                headers["content-encoding"] = "gzip"
                headers["content-length"] = str(len(body))
                headers.add_vary_header("Accept-Encoding")
                message = {**message, "body": body}
            await self._send(start)
        await self._send(message)


def _is_candidate(headers: Headers) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip()
    return media_type in (DICOM_JSON, JSON) and "content-encoding" not in headers


async def _compressed(body: bytes) -> bytes:
    if len(body) <= _INLINE_BYTES_MAX:
        return gzip.compress(body, _LEVEL)
    return await asyncio.to_thread(gzip.compress, body, _LEVEL)
