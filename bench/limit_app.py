"""The machine's limit: a bare ASGI app that drains a body into a file and fsyncs before it answers.

`GET` sends the file named by LIMIT_FILE, the bare way to send bytes, or a piece of it, see
`piece_path`; of EMPTY_PATH it answers two bytes, the least a reader can ask. Without a LIMIT_FOLDER
bodies are drained and dropped.
"""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_numbers = itertools.count()
SEND_BYTES = 1024**2
EMPTY_PATH = "/empty"
_PIECE = "/piece/"


def piece_path(offset: int, length: int) -> str:
    """Returns the path of a piece of the file, in bytes."""
    return f"{_PIECE}{offset}/{length}"


def _write(path: Path, chunks: list[bytes]) -> None:
    with path.open("xb", buffering=0) as file:
        for at in range(0, len(chunks), 512):
            os.writev(file.fileno(), chunks[at : at + 512])
        os.fsync(file.fileno())


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Drains or sends."""
    if scope["type"] != "http":
        return
    if scope["method"] == "GET":
        await _get(scope["path"], send)
        return
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    if folder := os.environ["LIMIT_FOLDER"]:
        path = Path(folder) / f"{os.getpid()}-{next(_numbers)}"
        await asyncio.to_thread(_write, path, [chunk for chunk in chunks if chunk])
    await _answer(send)


async def _get(path: str, send: Send) -> None:
    if path == EMPTY_PATH:
        await _answer(send)
    elif path.startswith(_PIECE):
        offset, length = map(int, path.removeprefix(_PIECE).split("/"))
        await _send_piece(send, offset, length)
    else:
        await _send_file(send)


async def _send_piece(send: Send, offset: int, length: int) -> None:
    """Without a thread: what is asked for lies in the page cache."""
    descriptor = os.open(os.environ["LIMIT_FILE"], os.O_RDONLY)
    try:
        body = os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)
    head = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def _answer(send: Send) -> None:
    head = [(b"content-length", b"2"), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"{}"})


async def _send_file(send: Send) -> None:
    descriptor = os.open(os.environ["LIMIT_FILE"], os.O_RDONLY)
    try:
        length = os.fstat(descriptor).st_size
        head = [(b"content-length", str(length).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        for offset in range(0, length, SEND_BYTES):
            chunk = await asyncio.to_thread(os.pread, descriptor, SEND_BYTES, offset)
            more = offset + SEND_BYTES < length
            await send({"type": "http.response.body", "body": chunk, "more_body": more})
    finally:
        os.close(descriptor)
