"""Answers of the Retrieve routes: streams that close what they opened, and conditions on ETags."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial, wraps

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from longshore.dicomweb.ranges import asked_range, not_satisfiable
from longshore.services.retrieve import Plan, relocating

Endpoint = Callable[[Request], Awaitable[Response]]

HELD_BYTES_MAX = 1024 * 1024
"""A body up to here is read before it is sent: an instance or a frame, as most are."""

# An entity-tag as RFC 9110 8.8.3 has it, or bare as the model's clients send it.
_ENTITY_TAG = re.compile(r'\s*(?:W/)?(?:"([^"]*)"|([^",\s][^",]*?))\s*(?:,|$)')


class _ByteStream(StreamingResponse):
    """A streaming response that closes its source when it ends, however it ends."""

    def __init__(
        self,
        first: bytes,
        chunks: AsyncGenerator[bytes, None],
        http_status: int,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(_from(first, chunks), http_status, headers)
        self._chunks = chunks

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._chunks.aclose()


class _Held(Response):
    """A short body in chunks. Nothing is left to read, so nobody need listen for a disconnect."""

    def __init__(
        self, chunks: Sequence[bytes], http_status: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(status_code=http_status, headers=headers)
        self._chunks = [chunk for chunk in chunks if chunk]

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        for chunk in self._chunks[:-1]:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"".join(self._chunks[-1:])})


async def streamed(request: Request, plan: Plan, headers: Mapping[str, str]) -> Response:
    """Returns an answer whose first bytes have been read, or one without body for HEAD.

    `headers` must hold `Content-Type`; `Content-Length` is added where it is known. A range that is
    asked for is 206, or 416 if it begins behind the body, wherever the plan can be cut.

    Raises:
        BlobNotFound, Unavailable: The first read failed; nothing has been sent.
    """
    complete = dict(headers)
    http_status = 200
    if plan.length is not None:
        complete["Content-Length"] = str(plan.length)
        if plan.cut is not None:
            complete["Accept-Ranges"] = "bytes"
            asked = asked_range(request, plan.length, headers)
            if asked is not None and not asked.length:
                return not_satisfiable(plan.length, headers)
            if asked is not None:
                complete["Content-Length"] = str(asked.length)
                complete["Content-Range"] = asked.content_range(plan.length)
                http_status, plan = 206, plan.cut(asked.first, asked.length)
    if request.method == "HEAD":
        response = Response(headers=complete)
        if plan.length is None:
            del response.headers["Content-Length"]
        return response
    is_short = plan.length is not None and plan.length <= HELD_BYTES_MAX
    body = plan.at_once() if is_short else None
    if body is not None:
        return _Held([body], http_status, complete)
    chunks = plan.open()
    if is_short:
        async with aclosing(chunks):
            return _Held([chunk async for chunk in chunks], http_status, complete)
    return _ByteStream(await anext(chunks), chunks, http_status, complete)


def not_modified(request: Request, tag: str, headers: Mapping[str, str]) -> Response | None:
    """Returns 304 if the user agent has this entity already, else None.

    `tag` comes without quotes and is compared weakly (RFC 9110 13.1.2). `headers` are what a 200
    would say of the entity; 304 repeats them (RFC 9110 15.4.5).
    """
    condition = ",".join(request.headers.getlist("if-none-match")).strip()
    if not condition:
        return None
    known = {quoted or bare for quoted, bare in _ENTITY_TAG.findall(condition)}
    if condition != "*" and tag not in known:
        return None
    return Response(status_code=304, headers=headers)


def relocated(endpoint: Endpoint) -> Endpoint:
    """Makes a route answer once more if a pack vanished between locating and reading it."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        return await relocating(partial(endpoint, request))

    return answer


async def _from(first: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for chunk in chunks:
        yield chunk
