"""Store of metadata and bulkdata (PS3.18 10.5): parts that together make instances.

They are kept in memory until all have come; then each instance becomes a Part 10 file and is stored
as any other. What the parts mean is read by `dicomweb`.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from longshore._native import RelatedReader, StoreReader
from longshore.errors import InvalidRequest, Unavailable
from longshore.services import part10_writer
from longshore.services.pace import Pace
from longshore.services.part10_writer import Bulkdata, DataSet, UnwritableError
from longshore.services.store_body import StoreBody
from longshore.services.store_outcome import FAILURE_INVALID, Refused

FEED_BYTES = 256 * 1024
"""What is read of a file at a time; more would hold the loop for too long."""

FILES_FACTOR_MAX = 4
"""How much more the files of a request may be than the request itself may be."""


class Part(Protocol):
    """One part of the request."""

    @property
    def content_type(self) -> str | None:
        """As sent."""
        ...

    @property
    def content_location(self) -> str | None:
        """As sent."""
        ...

    @property
    def content_id(self) -> str | None:
        """As sent."""
        ...

    @property
    def content(self) -> bytes:
        """Its bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Described:
    """What the parts of a request say.

    Attributes:
        datasets: The instances; a `BulkDataURI` in them is a key of `bulkdata`, if it came.
    """

    datasets: Sequence[DataSet]
    bulkdata: Mapping[str, Bulkdata]


ReadParts = Callable[[Sequence[Part]], Described]
"""Reads n parts, at least one; raises `InvalidRequest`."""


class MetadataStore:
    """Receives such bodies. One per process: one request at a time becomes files."""

    def __init__(self, *, bytes_max: int, is_full: Callable[[], bool]) -> None:
        """Begins with nothing under way.

        Args:
            bytes_max: Of all parts of a request, and of each file.
            is_full: True if the requests under way keep as much memory as they may.
        """
        self._bytes_max = bytes_max
        self._is_full = is_full
        self._turn = asyncio.Lock()

    def reader(
        self, *, boundary: bytes, part_count_max: int, part_header_bytes_max: int
    ) -> RelatedReader:
        """Begins to read a body."""
        return RelatedReader(
            boundary=boundary,
            bytes_max=self._bytes_max,
            part_count_max=part_count_max,
            part_header_bytes_max=part_header_bytes_max,
        )

    async def receive(
        self, chunks: AsyncIterable[bytes], reader: RelatedReader, body: StoreBody, pace: Pace
    ) -> list[Part]:
        """Returns the body's parts when all have come.

        Raises:
            Unavailable: Too much is in memory. Send the request again later.
        """
        parts: list[Part] = []
        async for chunk in chunks:
            pace.came(len(chunk))
            parts += reader.feed(chunk)
            body.keep(reader.byte_count)
            if self._is_full():
                msg = "too many Store requests are under way; send the request again later"
                raise Unavailable(msg)
        reader.finish()
        return parts

    async def store(
        self,
        parts: Sequence[Part],
        body: StoreBody,
        *,
        read_parts: ReadParts,
        store_file: Callable[[Sequence[bytes]], Awaitable[None]],
    ) -> None:
        """Makes a file of each instance and stores it.

        Args:
            store_file: Takes n pieces of a file.

        Raises:
            InvalidRequest: The metadata cannot be read; nothing is stored then.
        """
        if not parts:
            return
        async with self._turn:
            described = await asyncio.to_thread(read_parts, parts)
            if not described.datasets:
                raise InvalidRequest("The metadata describe no instance.")
            # All files together: instances may share bulkdata, but not to fill the storage.
            left = FILES_FACTOR_MAX * self._bytes_max
            for dataset in described.datasets:
                bytes_max = min(left, self._bytes_max)
                try:
                    pieces = await asyncio.to_thread(_file, dataset, described.bulkdata, bytes_max)
                except UnwritableError as error:
                    await body.refuse(_refused(dataset, str(error)))
                else:
                    left -= sum(map(len, pieces))
                    await store_file(pieces)


def _file(dataset: DataSet, bulkdata: Mapping[str, Bulkdata], bytes_max: int) -> list[bytes]:
    return _gathered(part10_writer.write(dataset, bulkdata, bytes_max=bytes_max))


def _gathered(pieces: Sequence[bytes]) -> list[bytes]:
    """Joins short pieces, of which a data set has thousands."""
    gathered: list[bytes] = []
    short: list[bytes] = []
    for piece in pieces:
        if len(piece) < FEED_BYTES:
            short.append(piece)
        else:
            gathered += [b"".join(short), piece]
            short = []
    return [*gathered, b"".join(short)]


def _refused(dataset: DataSet, comment: str) -> Refused:
    return Refused(_uid(dataset, "00080016"), _uid(dataset, "00080018"), FAILURE_INVALID, [comment])


def _uid(dataset: DataSet, tag: str) -> str | None:
    values = dataset.get(tag, {}).get("Value") or [None]
    return values[0] if isinstance(values[0], str) else None


async def store_file(
    pieces: Sequence[bytes],
    reader: StoreReader,
    body: StoreBody,
    part_bytes_max: Callable[[], int],
) -> None:
    """Stores one file as if it had just arrived."""
    for piece in pieces:
        for begin in range(0, len(piece), FEED_BYTES):
            chunk = piece[begin : begin + FEED_BYTES]
            await body.take(reader.feed(chunk, part_bytes_max_in_memory=part_bytes_max()))
    await body.take(reader.finish())
