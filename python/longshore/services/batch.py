"""Group commit: one pack and one index transaction for whatever has gathered.

While one batch is written, the next one fills; when the write returns, what has gathered goes out
at once. A lone instance waits for nobody, a fleet shares one fsync and one commit.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from longshore._native import plan_pack
from longshore.blobs.store import BlobStore
from longshore.dicom import Instance
from longshore.errors import LongshoreError, Unavailable, without_values
from longshore.extent import pack_blob
from longshore.index.database import Database
from longshore.index.store import NewInstance, NewPack, store_batch
from longshore.services.packs import new_pack_id, record_dead

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of what waits to be written, per process.

    A batch is closed by whichever limit is reached first; what waits behind it is bounded by the
    same numbers again.
    """

    batch_bytes_max: int = 64 * 1024**2
    batch_count_max: int = 1_000


@dataclass(frozen=True, slots=True)
class Arrived:
    """An instance that arrived whole and waits to be written.

    Attributes:
        pieces: n buffers that, joined, are the Part 10 file.
    """

    partition_key: int
    instance: Instance
    pieces: Sequence[bytes | memoryview]

    @property
    def length(self) -> int:
        """Bytes of the file."""
        return self.instance.pack_entry.length

    @property
    def uids(self) -> tuple[str, str, str]:
        """What names it within a pack."""
        instance = self.instance
        return (instance.study_uid, instance.series_uid, instance.sop_instance_uid)


@dataclass(slots=True)
class _Waiting:
    arrived: Arrived
    is_stored: asyncio.Future[bool]


@dataclass(slots=True)
class _Queue:
    """What has gathered, in order of arrival."""

    items: deque[_Waiting] = field(default_factory=deque[_Waiting])
    byte_count: int = 0

    def push(self, waiting: _Waiting) -> None:
        self.items.append(waiting)
        self.byte_count += waiting.arrived.length

    def take(self, limits: BatchLimits) -> list[_Waiting]:
        """Takes the next batch: the oldest items, up to a limit.

        An instance that comes twice waits for the next batch, where the index finds it stored: a
        pack's names are unique.
        """
        taken: list[_Waiting] = []
        names: set[tuple[str, str, str]] = set()
        byte_count = 0
        while self.items and len(taken) < limits.batch_count_max:
            arrived = self.items[0].arrived
            is_full = byte_count + arrived.length > limits.batch_bytes_max
            if arrived.uids in names or (taken and is_full):
                break
            names.add(arrived.uids)
            byte_count += arrived.length
            taken.append(self.items.popleft())
        self.byte_count -= byte_count
        return taken


class Batcher:
    """Writes what arrives, batch by batch. One per process."""

    def __init__(self, database: Database, blobs: BlobStore, limits: BatchLimits) -> None:
        self._database = database
        self._blobs = blobs
        self._limits = limits
        self._queue = _Queue()
        self._room = asyncio.Event()
        self._room.set()
        self._writer: asyncio.Task[None] | None = None
        self._is_closing = False

    async def submit(self, arrived: Arrived) -> asyncio.Future[bool]:
        """Puts an instance into the open batch; returns at once unless that is full.

        Returns:
            True once it is stored durably, False if it was there already. Raises what made its
            batch fail.
        """
        while not self._room.is_set():
            await self._room.wait()
        if self._is_closing:
            msg = "the service is stopping; send the request again"
            raise Unavailable(msg)
        is_stored = asyncio.get_running_loop().create_future()
        self._queue.push(_Waiting(arrived, is_stored))
        if self._is_full():
            self._room.clear()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return is_stored

    async def close(self) -> None:
        """Writes what has gathered and takes no more."""
        self._is_closing = True
        self._room.set()
        if self._writer is not None:
            await self._writer

    def _is_full(self) -> bool:
        limits = self._limits
        return (
            self._queue.byte_count >= limits.batch_bytes_max
            or len(self._queue.items) >= limits.batch_count_max
        )

    async def _write_all(self) -> None:
        try:
            while batch := self._queue.take(self._limits):
                if not self._is_full():
                    self._room.set()
                await self._settle(batch)
        finally:
            self._writer = None

    async def _settle(self, batch: Sequence[_Waiting]) -> None:
        """Writes one batch and tells everyone who waits for it."""
        try:
            are_stored = await self._write([waiting.arrived for waiting in batch])
        except Exception as error:
            if not isinstance(error, LongshoreError):
                _log.error("a batch of %d instances failed: %s", len(batch), without_values(error))
                error = Unavailable("the batch could not be written; send the request again")
            for waiting in batch:
                _settle_one(waiting.is_stored, error)
            return
        for waiting, is_stored in zip(batch, are_stored, strict=True):
            _settle_one(waiting.is_stored, is_stored)

    async def _write(self, batch: Sequence[Arrived]) -> list[bool]:
        """Blob first, index second. Returns whether each instance is stored, else a duplicate."""
        plan = plan_pack([arrived.instance.pack_entry for arrived in batch])
        buffers: list[bytes | memoryview] = []
        for header, arrived in zip(plan.headers, batch, strict=True):
            buffers.append(header)
            buffers.extend(arrived.pieces)
        buffers.append(plan.tail)
        pack_id = new_pack_id()
        await self._blobs.put(pack_blob(pack_id), buffers)
        entries = [
            NewInstance(arrived.partition_key, arrived.instance, payload_offset, segment_offset)
            for arrived, payload_offset, segment_offset in zip(
                batch, plan.payload_offsets, plan.segment_offsets, strict=True
            )
        ]
        return await index_pack(self._database, self._blobs, NewPack(pack_id, plan.length), entries)


@dataclass(frozen=True, slots=True)
class _Duplicate:
    pack_id: str
    payload_offset: int


async def index_pack(
    database: Database, blobs: BlobStore, pack: NewPack, entries: Sequence[NewInstance]
) -> list[bool]:
    """Indexes a pack that is durable; returns whether each of its n entries is stored.

    An entry that is not is a duplicate; a pack of nothing else is removed again.
    """
    are_stored = await store_batch(database, pack, entries)
    if not any(are_stored):
        # Left behind by a failure here, the sweep finds it.
        with contextlib.suppress(LongshoreError):
            await blobs.delete(pack_blob(pack.pack_id))
    elif not all(are_stored):
        duplicates = [
            _Duplicate(pack.pack_id, entry.payload_offset)
            for entry, is_stored in zip(entries, are_stored, strict=True)
            if not is_stored
        ]
        await record_dead(blobs, duplicates)
    return are_stored


def _settle_one(future: asyncio.Future[bool], outcome: bool | Exception) -> None:
    """A request may have gone in the meantime; then its future is cancelled."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
