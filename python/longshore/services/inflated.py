"""Reads within a deflated data set (PS3.5 A.5); offsets count as if it were inflated in place.

Nothing lies at a fixed place in a deflate stream, so reading a range inflates all that comes before
it, chunk by chunk. Few files are stored so; none of them has to be held.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator

from longshore._native import dataset_offset
from longshore.blobs.store import BlobReader
from longshore.errors import Unavailable
from longshore.extent import Extent

DEFLATED = "1.2.840.10008.1.2.1.99"
HEAD_BYTES = 64 * 1024
"""File Meta Information is sought in so many bytes; the longest seen has 2 KiB."""
CHUNK_BYTES = 256 * 1024
"""What is read and what is inflated at a time, in bytes."""


class InflatedFile:
    """One deflated instance, read from front to back; going back begins anew."""

    def __init__(self, blobs: BlobReader, payload: Extent) -> None:
        self._blobs = blobs
        self._payload = payload
        self._chunks: AsyncIterator[bytes] | None = None
        self._position = 0
        self._held = b""

    async def read(self, offset: int, length: int) -> bytes:
        """Returns bytes of the file inflated in place.

        Raises:
            Unavailable: The file holds no such bytes.
        """
        if self._chunks is None or offset < self._position:
            await self._begin()
        pieces: list[bytes] = []
        missing = length
        while missing:
            if not self._held:
                self._held = await self._next()
            skip = min(offset - self._position, len(self._held)) if not pieces else 0
            piece = self._held[skip : skip + missing]
            self._position += skip + len(piece)
            self._held = self._held[skip + len(piece) :]
            if piece:
                pieces.append(piece)
                missing -= len(piece)
        return b"".join(pieces)

    async def _begin(self) -> None:
        payload = self._payload
        head = await self._blobs.read(
            Extent(payload.blob, payload.offset, min(HEAD_BYTES, payload.length))
        )
        begin = dataset_offset(head)
        if begin is None:
            raise self._damaged()
        self._chunks = self._inflate(begin)
        self._position = begin
        self._held = b""

    async def _inflate(self, begin: int) -> AsyncIterator[bytes]:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        payload = self._payload
        deflated = Extent(payload.blob, payload.offset + begin, payload.length - begin)
        async for chunk in self._blobs.stream(deflated, chunk_bytes=CHUNK_BYTES):
            rest = chunk
            while rest and not stream.eof:
                plain = await asyncio.to_thread(stream.decompress, rest, CHUNK_BYTES)
                rest = stream.unconsumed_tail
                if plain:
                    yield plain
        if plain := stream.flush():
            yield plain

    async def _next(self) -> bytes:
        if self._chunks is not None:
            async for plain in self._chunks:
                return plain
        raise self._damaged()

    def _damaged(self) -> Unavailable:
        msg = f"a deflated instance in {self._payload.blob} cannot be inflated; store it again"
        return Unavailable(msg)
