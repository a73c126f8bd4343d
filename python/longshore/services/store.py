"""Store: a body's chunks become instances, instances become part of a batch (PS3.18 10.5).

A part longer than `part_bytes_max_in_memory` goes to a pack of its own while it arrives, so that
only its header is ever in memory.
"""

from collections.abc import AsyncIterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial

from longshore._native import (
    ForeignPartError,
    LimitError,
    MultipartError,
    StoreReader,
)
from longshore.blobs.store import BlobStore
from longshore.errors import (
    InvalidRequest,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from longshore.index.database import Database
from longshore.index.extended_tags import known_tags
from longshore.services.batch import Batcher
from longshore.services.duplicates import Duplicates, is_identical_to_stored
from longshore.services.long_part import LongPart
from longshore.services.pace import Pace, keeping_pace
from longshore.services.store_body import StoreBody, StoreTarget
from longshore.services.store_metadata import MetadataStore, ReadParts, store_file
from longshore.services.store_outcome import StoreOutcome

STREAM_BYTES = 1024**2
"""What a streamed part gathers before it is written on, in bytes."""
SHORT_PART_BYTES = 64 * 1024
"""What any part may keep in memory once `in_flight_bytes_max` is reached; the rest is streamed."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Bounds of one Store request, and of all requests of a process together."""

    part_bytes_max: int = 4 * 1024**3
    part_bytes_max_in_memory: int = 16 * 1024**2
    part_count_max: int = 100_000
    part_header_bytes_max: int = 16 * 1024
    inline_bytes_max: int = 1024
    inflated_bytes_max: int = 2 * 1024**3
    metadata_store_bytes_max: int = 64 * 1024**2
    in_flight_bytes_max: int = 128 * 1024**2
    upload_idle_s_max: float = 60.0
    upload_bytes_per_s_min: int = 1024


class Stores:
    """Takes Store requests. One per process."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        batcher: Batcher,
        limits: StoreLimits,
        duplicates: Duplicates = "refuse",
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._batcher = batcher
        self._limits = limits
        self._duplicates = duplicates
        self._part_bytes = 0
        self._described = MetadataStore(
            bytes_max=limits.metadata_store_bytes_max, is_full=lambda: self.is_full
        )

    async def store(
        self,
        chunks: AsyncIterable[bytes],
        target: StoreTarget,
        *,
        read_parts: ReadParts | None = None,
    ) -> StoreOutcome:
        """Stores a body's instances; returns when each is durable or refused.

        Args:
            read_parts: Reads a body of metadata and bulkdata; None: its parts are Part 10 files.

        Raises:
            Stalled: Too little came within `upload_idle_s_max`.
            InvalidRequest: The body is not readable multipart. Instances before the break may be
                stored; sending the request again is safe.
            TooLarge, UnsupportedMediaType: Likewise.
            Unavailable: Too much is under way, or nothing could be stored. Send it again later.
        """
        if self.is_full:
            msg = "too many Store requests are under way; send the request again later"
            raise Unavailable(msg)
        if self._duplicates == "replace":
            target = replace(target, terms=replace(target.terms, replaces=True))
        body = self._body(target)
        try:
            with self._batcher.expecting(target.byte_count):
                if read_parts is None:
                    await self._receive(chunks, self._reader(target), body)
                else:
                    await self._receive_described(chunks, target, body, read_parts)
        except MultipartError as error:
            msg = f"There was an error reading the multipart request: {error}."
            raise InvalidRequest(msg) from error
        except LimitError as error:
            raise TooLarge(str(error)) from error
        except ForeignPartError as error:
            raise UnsupportedMediaType(str(error)) from error
        finally:
            await body.settle()
        return body.outcome()

    @property
    def is_full(self) -> bool:
        """True if the requests under way keep as much memory as they may."""
        in_flight_bytes = self._part_bytes + self._batcher.unwritten_bytes
        return in_flight_bytes >= self._limits.in_flight_bytes_max

    def _body(self, target: StoreTarget) -> StoreBody:
        database, blobs, partition = self._database, self._blobs, target.partition
        is_identical = None
        if self._duplicates == "accept-identical":
            is_identical = partial(is_identical_to_stored, database, blobs, partition.key)
        return StoreBody(
            target,
            self._batcher,
            open_stream=lambda: LongPart.open(database, blobs, partition, target.terms),
            hold=self._hold,
            is_identical=is_identical,
        )

    def _hold(self, byte_count: int) -> None:
        self._part_bytes += byte_count

    async def _receive(
        self, chunks: AsyncIterable[bytes], reader: StoreReader, body: StoreBody
    ) -> None:
        async with self._keeping_pace() as pace:
            async for chunk in chunks:
                pace.came(len(chunk))
                # This holds the loop for less than 0.5 ms.
                events = reader.feed(chunk, part_bytes_max_in_memory=self._part_bytes_max(body))
                body.keep(reader.part_bytes)
                if events:
                    with pace.paused():
                        await body.take(events)
        await body.take(reader.finish())

    async def _receive_described(
        self,
        chunks: AsyncIterable[bytes],
        target: StoreTarget,
        body: StoreBody,
        read_parts: ReadParts,
    ) -> None:
        limits = self._limits
        reader = self._described.reader(
            boundary=target.boundary or b"",
            part_count_max=limits.part_count_max,
            part_header_bytes_max=limits.part_header_bytes_max,
        )
        async with self._keeping_pace() as pace:
            parts = await self._described.receive(chunks, reader, body, pace)

        async def store(pieces: Sequence[bytes]) -> None:
            file = self._reader(replace(target, boundary=None))
            await store_file(pieces, file, body, lambda: self._part_bytes_max(body))

        await self._described.store(parts, body, read_parts=read_parts, store_file=store)

    def _keeping_pace(self) -> AbstractAsyncContextManager[Pace]:
        return keeping_pace(
            window_s=self._limits.upload_idle_s_max,
            bytes_per_s_min=self._limits.upload_bytes_per_s_min,
        )

    def _part_bytes_max(self, body: StoreBody) -> int:
        """What the part that arrives may keep in memory."""
        if self.is_full:
            return SHORT_PART_BYTES
        return STREAM_BYTES if body.is_streaming else self._limits.part_bytes_max_in_memory

    def _reader(self, target: StoreTarget) -> StoreReader:
        limits = self._limits
        tags = known_tags(self._database)
        return StoreReader(
            boundary=target.boundary,
            root_type=target.root_type,
            study_uid=target.study_uid,
            is_strict=target.is_strict,
            part_bytes_max=limits.part_bytes_max,
            part_count_max=limits.part_count_max,
            part_header_bytes_max=limits.part_header_bytes_max,
            inline_bytes_max=limits.inline_bytes_max,
            inflated_bytes_max=limits.inflated_bytes_max,
            extended_tags=tags.finder if tags.version else None,
        )
