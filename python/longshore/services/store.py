"""Store: a body's chunks become instances, instances become part of a batch (PS3.18 10.5).

A part longer than `part_bytes_max_in_memory` goes to a pack of its own while it arrives, so that
only its header is ever in memory.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass, field

from longshore._native import (
    ForeignPartError,
    LimitError,
    MultipartError,
    Payload,
    Refusal,
    StoreReader,
)
from longshore.blobs.store import BlobStore
from longshore.dicom import Instance
from longshore.errors import (
    InvalidRequest,
    LongshoreError,
    Stalled,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from longshore.index.database import Database
from longshore.services.batch import Arrived, Batcher
from longshore.services.long_part import LongPart

_log = logging.getLogger(__name__)

STREAM_BYTES = 1024**2
"""What a streamed part gathers before it is written on, in bytes."""

FAILURE_PROCESSING = 0x0110
FAILURE_DUPLICATE = 45070


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Bounds of one Store request, and of all requests of a process together."""

    part_bytes_max: int = 4 * 1024**3
    part_bytes_max_in_memory: int = 16 * 1024**2
    part_count_max: int = 100_000
    part_header_bytes_max: int = 16 * 1024
    inline_bytes_max: int = 1024
    inflated_bytes_max: int = 2 * 1024**3
    in_flight_bytes_max: int = 256 * 1024**2
    upload_idle_s_max: float = 60.0


@dataclass(frozen=True, slots=True)
class StoreTarget:
    """What a Store request says besides its body.

    Attributes:
        boundary: Of a multipart body; None if the body is one Part 10 file.
        root_type: The request's `type` parameter.
        study_uid: The study in the path, to which every instance must belong.
        is_strict: v1: refuse invalid indexed attributes instead of dropping them.
    """

    partition_key: int
    boundary: bytes | None
    root_type: str | None
    study_uid: str | None
    is_strict: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """An instance that is stored, durably."""

    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    warnings: Sequence[str]
    is_implicit_vr: bool
    is_multivalued: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """An instance that is not stored, and why (PS3.18 Table I.2-2)."""

    sop_class_uid: str | None
    sop_instance_uid: str | None
    failure_reason: int
    comments: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of each instance of one request, in order of arrival."""

    instances: Sequence[Stored | Refused]

    @property
    def stored(self) -> Sequence[Stored]:
        """Those that are stored."""
        return [instance for instance in self.instances if isinstance(instance, Stored)]

    @property
    def refused(self) -> Sequence[Refused]:
        """Those that are not."""
        return [instance for instance in self.instances if isinstance(instance, Refused)]


class Stores:
    """Takes Store requests. One per process."""

    def __init__(
        self, database: Database, blobs: BlobStore, batcher: Batcher, limits: StoreLimits
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._batcher = batcher
        self._limits = limits
        self._in_flight_bytes = 0

    async def store(self, chunks: AsyncIterable[bytes], target: StoreTarget) -> StoreOutcome:
        """Stores a body's instances; returns when each is durable or refused.

        Raises:
            Stalled: Nothing came for `upload_idle_s_max`.
            InvalidRequest: The body is not readable multipart. Instances before the break may be
                stored; sending the request again is safe.
            TooLarge, UnsupportedMediaType: Likewise.
            Unavailable: Too much is under way, or nothing could be stored. Send it again later.
        """
        limits = self._limits
        if self._in_flight_bytes >= limits.in_flight_bytes_max:
            msg = "too many Store requests are under way; send the request again later"
            raise Unavailable(msg)
        reader = StoreReader(
            boundary=target.boundary,
            root_type=target.root_type,
            study_uid=target.study_uid,
            is_strict=target.is_strict,
            part_bytes_max=limits.part_bytes_max,
            part_count_max=limits.part_count_max,
            part_header_bytes_max=limits.part_header_bytes_max,
            inline_bytes_max=limits.inline_bytes_max,
            inflated_bytes_max=limits.inflated_bytes_max,
        )
        body = _Body(self, target)
        try:
            async for chunk in _moving(chunks, limits.upload_idle_s_max):
                # The reader holds the loop for less than 0.5 ms per 64 KiB chunk.
                await body.take(reader.feed(chunk), chunk)
            await body.take(reader.finish(), b"")
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

    def hold(self, byte_count: int) -> None:
        """Counts bytes that a request keeps in memory; negative ones are let go."""
        self._in_flight_bytes += byte_count

    async def submit(self, arrived: Arrived) -> asyncio.Future[bool]:
        """Hands an instance to the batcher."""
        return await self._batcher.submit(arrived)

    async def open_stream(self, target: StoreTarget) -> LongPart:
        """Begins a pack of its own for a long part."""
        return await LongPart.open(self._database, self._blobs, target.partition_key)

    @property
    def part_bytes_max_in_memory(self) -> int:
        """A longer part is streamed."""
        return self._limits.part_bytes_max_in_memory


@dataclass(slots=True)
class _Part:
    """The part that is arriving."""

    pieces: list[bytes | memoryview] = field(default_factory=list[bytes | memoryview])
    byte_count: int = 0
    stream: LongPart | None = None


@dataclass(frozen=True, slots=True)
class _Pending:
    """An instance whose batch has not been written yet."""

    instance: Stored
    byte_count: int
    is_stored: asyncio.Future[bool]


class _Body:
    """What has come of one request so far."""

    def __init__(self, stores: Stores, target: StoreTarget) -> None:
        self._stores = stores
        self._target = target
        self._part = _Part()
        self._outcomes: list[Stored | Refused | _Pending] = []
        self._failure: LongshoreError | None = None
        self._held_bytes = 0

    async def take(self, events: Sequence[Payload | Instance | Refusal], chunk: bytes) -> None:
        """Follows the reader's events; waits where the batch or the storage is full."""
        for event in events:
            if isinstance(event, Payload):
                await self._payload(event, chunk)
            elif isinstance(event, Instance):
                await self._instance(event)
            else:
                await self._drop_part()
                _log.info("refused an instance: %s", event.detail)
                self._outcomes.append(
                    Refused(
                        event.sop_class_uid,
                        event.sop_instance_uid,
                        event.failure_reason,
                        event.comments,
                    )
                )

    async def settle(self) -> None:
        """Waits for every batch, and lets go of what the request held, come what may."""
        try:
            await self._drop_part()
            for at, outcome in enumerate(self._outcomes):
                if isinstance(outcome, _Pending):
                    self._outcomes[at] = await self._settled(outcome)
        finally:
            self._hold(-self._held_bytes)

    def outcome(self) -> StoreOutcome:
        """Returns what became of the settled request.

        Raises:
            Unavailable: Nothing was stored, and the storage or the index is why.
        """
        outcomes = [found for found in self._outcomes if not isinstance(found, _Pending)]
        if self._failure is not None and not any(isinstance(found, Stored) for found in outcomes):
            raise self._failure
        return StoreOutcome(outcomes)

    async def _payload(self, payload: Payload, chunk: bytes) -> None:
        part = self._part
        if payload.held:
            self._keep(payload.held)
        if payload.stop > payload.start:
            self._keep(memoryview(chunk)[payload.start : payload.stop])
        if part.stream is None and part.byte_count > self._stores.part_bytes_max_in_memory:
            part.stream = await self._stores.open_stream(self._target)
        if part.stream is not None and part.byte_count >= STREAM_BYTES:
            await part.stream.write(part.pieces)
            self._let_go_of_pieces()

    def _keep(self, piece: bytes | memoryview) -> None:
        self._part.pieces.append(piece)
        self._part.byte_count += len(piece)
        self._hold(len(piece))

    def _hold(self, byte_count: int) -> None:
        self._held_bytes += byte_count
        self._stores.hold(byte_count)

    def _let_go_of_pieces(self) -> None:
        self._hold(-self._part.byte_count)
        self._part.pieces = []
        self._part.byte_count = 0

    async def _instance(self, instance: Instance) -> None:
        stored = Stored(
            study_uid=instance.study_uid,
            series_uid=instance.series_uid,
            sop_instance_uid=instance.sop_instance_uid,
            sop_class_uid=instance.sop_class_uid,
            warnings=instance.warnings,
            is_implicit_vr=instance.is_implicit_vr,
            is_multivalued=instance.is_multivalued,
        )
        part = self._part
        if part.stream is not None:
            await self._finish_stream(part.stream, instance, stored)
            return
        arrived = Arrived(self._target.partition_key, instance, part.pieces)
        is_stored = await self._stores.submit(arrived)
        self._outcomes.append(_Pending(stored, part.byte_count, is_stored))
        # The bytes now belong to the pending instance and are let go when it settles.
        self._part = _Part()

    async def _finish_stream(self, stream: LongPart, instance: Instance, stored: Stored) -> None:
        try:
            await stream.write(self._part.pieces)
            is_stored = await stream.finish(instance)
        except LongshoreError as error:
            self._outcomes.append(self._failed(stored, error))
        else:
            self._outcomes.append(stored if is_stored else _duplicate(stored))
        await self._drop_part()

    async def _drop_part(self) -> None:
        stream, self._part.stream = self._part.stream, None
        self._let_go_of_pieces()
        if stream is not None:
            # Does nothing after a commit. What it cannot remove, the sweep will.
            with contextlib.suppress(LongshoreError):
                await stream.abort()

    async def _settled(self, pending: _Pending) -> Stored | Refused:
        try:
            is_stored = await pending.is_stored
        except LongshoreError as error:
            return self._failed(pending.instance, error)
        finally:
            self._hold(-pending.byte_count)
        return pending.instance if is_stored else _duplicate(pending.instance)

    def _failed(self, instance: Stored, error: LongshoreError) -> Refused:
        self._failure = error
        return Refused(instance.sop_class_uid, instance.sop_instance_uid, FAILURE_PROCESSING)


async def _moving(chunks: AsyncIterable[bytes], idle_s_max: float) -> AsyncGenerator[bytes]:
    """Yields chunks while they come; the time the caller takes does not count."""
    iterator = aiter(chunks)
    while True:
        try:
            async with asyncio.timeout(idle_s_max):
                chunk = await anext(iterator)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            msg = f"the request sent nothing for {idle_s_max} seconds; send it again"
            raise Stalled(msg) from error
        yield chunk


def _duplicate(instance: Stored) -> Refused:
    return Refused(instance.sop_class_uid, instance.sop_instance_uid, FAILURE_DUPLICATE)
