"""Reads many extents in few requests to the blob store.

Extents that follow one another in a blob are read as one run; what lies between them (the local
headers of a pack) is read and dropped.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

from longshore.blobs.store import BlobReader
from longshore.extent import Extent

CHUNK_BYTES = 1024 * 1024
# A pack's local header takes under 300 bytes; dropping 64 KiB costs less than another request.
GAP_BYTES_MAX = 64 * 1024
READS_MAX = 16  # at the same time, of one request


class Piece(NamedTuple):
    """Some bytes of the extent at position `at` (0-based), in order within it."""

    at: int
    octets: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Run:
    """Extents `start` to `stop` (exclusive) of a request, and the one extent that spans them."""

    start: int
    stop: int
    span: Extent


def runs(extents: Sequence[Extent]) -> Iterator[Run]:
    """Yields the runs of n extents in order; n may be 0."""
    start = 0
    for index, extent in enumerate(extents):
        following = extents[index + 1] if index + 1 < len(extents) else None
        if following is not None and _follows(extent, following):
            continue
        first = extents[start]
        yield Run(start, index + 1, Extent(first.blob, first.offset, extent.end - first.offset))
        start = index + 1


async def read_pieces(
    blobs: BlobReader, extents: Sequence[Extent], *, chunk_bytes: int = CHUNK_BYTES
) -> AsyncGenerator[list[Piece], None]:
    """Yields the bytes of n extents in order, in lists of at most `chunk_bytes`.

    Raises:
        BlobNotFound: A blob is gone; locate again.
        Unavailable: The storage fails, or a blob is shorter than an extent.
    """
    for batch in _batches(runs(extents), chunk_bytes):
        cutters = [_Cutter(extents, run) for run in batch]
        if len(batch) > 1:
            chunks = await asyncio.gather(*(_read(blobs, run.span) for run in batch))
            yield [
                piece
                for cutter, chunk in zip(cutters, chunks, strict=True)
                for piece in cutter.cut(chunk)
            ]
            continue
        async with aclosing(_chunks(blobs, batch[0].span, chunk_bytes)) as stream:
            async for chunk in stream:
                pieces = cutters[0].cut(chunk)
                if pieces:
                    yield pieces


def _batches(all_runs: Iterator[Run], chunk_bytes: int) -> Iterator[list[Run]]:
    """Yields runs that are read at the same time, in order; together they fit one chunk.

    Instances that were stored one by one lie in as many packs: their reads must not queue up
    behind one another's latency.
    """
    batch: list[Run] = []
    held_bytes = 0
    for run in all_runs:
        if batch and (held_bytes + run.span.length > chunk_bytes or len(batch) == READS_MAX):
            yield batch
            batch, held_bytes = [], 0
        batch.append(run)
        held_bytes += run.span.length
    if batch:
        yield batch


async def _chunks(blobs: BlobReader, span: Extent, chunk_bytes: int) -> AsyncGenerator[bytes, None]:
    if span.length <= chunk_bytes:
        yield await _read(blobs, span)
        return
    async for chunk in blobs.stream(span, chunk_bytes=chunk_bytes):
        yield chunk


async def _read(blobs: BlobReader, span: Extent) -> bytes:
    return await blobs.read(span) if span.length else b""


def _follows(extent: Extent, following: Extent) -> bool:
    return extent.blob == following.blob and 0 <= following.offset - extent.end <= GAP_BYTES_MAX


class _Cutter:
    """Cuts a run's chunks at the borders of its extents."""

    def __init__(self, extents: Sequence[Extent], run: Run) -> None:
        self._extents = extents
        self._stop = run.stop
        self._index = run.start
        self._offset = run.span.offset  # in the blob, of the next chunk's first byte

    def cut(self, chunk: bytes) -> list[Piece]:
        """Returns the pieces of the next chunk; gaps are left out."""
        pieces: list[Piece] = []
        chunk_end = self._offset + len(chunk)
        while self._index < self._stop:
            extent = self._extents[self._index]
            begin, end = max(extent.offset, self._offset), min(extent.end, chunk_end)
            if begin < end:
                pieces.append(Piece(self._index, self._part(chunk, begin, end)))
            if extent.end > chunk_end:
                break
            self._index += 1
        self._offset = chunk_end
        return pieces

    def _part(self, chunk: bytes, begin: int, end: int) -> bytes | memoryview:
        if end - begin == len(chunk):
            return chunk
        return memoryview(chunk)[begin - self._offset : end - self._offset]
