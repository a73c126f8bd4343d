"""Group commit: one pack and one index transaction for whatever has gathered.

A batch is closed as soon as a request waits for it and there is a turn to have; until then it
takes whatever comes. A lone instance waits for nobody, a fleet shares one fsync and one commit, and
a long request whose end nobody waits for yet makes few packs, not many. There is no timer.

A batch that grows long is written while it grows: then it keeps no bytes in memory, and the storage
is not idle while the network works.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from longshore._native import PackPlan
from longshore.blobs.store import BlobStore
from longshore.errors import LongshoreError, Unavailable, without_values
from longshore.extent import pack_blob
from longshore.index.database import Database
from longshore.index.new import NewInstance, NewPack
from longshore.index.store import store_batch
from longshore.services.pack_writer import Arrived, Name, PackWriter
from longshore.services.packs import record_dead

_log = logging.getLogger(__name__)

TURN_COUNT = 2
"""Batches of a process that are completed at once: one is synced while another is committed. Short
ones are not: what they would wait for costs less than a pack and a transaction more."""
CLOSED_COUNT_MAX = 2
"""Full batches that wait for their turn; then nothing more is taken."""
WRITE_BYTES = 4 * 1024**2
"""What must have gathered for a batch to be written before it is closed, in bytes."""
AHEAD_BYTES = 256 * 1024
"""A request of fewer bytes does not have its pack's file created while it arrives."""

Outcome = Sequence[bool] | LongshoreError
"""Of a batch: for each instance whether it is stored, else a duplicate; or why none is."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of one batch, and of what waits to be written in a process."""

    batch_bytes_max: int = 64 * 1024**2
    batch_count_max: int = 1_000


class Batch:
    """Instances that become one pack."""

    def __init__(self, blobs: BlobStore) -> None:
        self.arrived: list[Arrived] = []
        self.byte_count = 0
        self.unwritten: list[Arrived] = []
        self.unwritten_bytes = 0
        self.names: set[Name] = set()
        self.pack = PackWriter(blobs)
        self.filling: asyncio.Task[None] | None = None
        self.is_wanted = False
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def add(self, arrived: Arrived, name: Name) -> int:
        """Adds an instance; returns its 0-based position."""
        length = arrived.instance.length
        self.names.add(name)
        self.arrived.append(arrived)
        self.byte_count += length
        self.unwritten.append(arrived)
        self.unwritten_bytes += length
        return len(self.arrived) - 1

    def take_unwritten(self) -> list[Arrived]:
        """Returns what no one has written yet; from now on someone does."""
        taken, self.unwritten, self.unwritten_bytes = self.unwritten, [], 0
        return taken


class Batcher:
    """Writes what arrives, batch by batch. One per process."""

    def __init__(self, database: Database, blobs: BlobStore, limits: BatchLimits) -> None:
        self._database = database
        self._blobs = blobs
        self._limits = limits
        self._open: Batch | None = None
        self._closed: deque[Batch] = deque()
        self._completing: set[asyncio.Task[None]] = set()
        self._dropping: set[asyncio.Task[None]] = set()
        self._expecting_count = 0
        self._room = asyncio.Event()
        self._room.set()
        self._is_closing = False
        self.unwritten_bytes = 0

    @property
    def has_room(self) -> bool:
        """False if `make_room` would wait."""
        return self._room.is_set()

    @contextlib.contextmanager
    def expecting(self, byte_count: int) -> Generator[None]:
        """Hears that so many bytes are about to arrive within the block.

        Creating the pack's file takes a while, which the network needs too. So it is created now,
        unless the batch will be too short to gain, or so long that it is written while it grows.
        """
        if not AHEAD_BYTES <= byte_count < WRITE_BYTES or self._is_closing:
            yield
            return
        self._expecting_count += 1
        if self._open is None:
            self._open = Batch(self._blobs)
        self._open.pack.open()
        try:
            yield
        finally:
            self._expecting_count -= 1
            if self._expecting_count == 0:
                self._drop_empty()

    async def make_room(self) -> None:
        """Waits until there is room for one more instance."""
        while not self._room.is_set():
            await self._room.wait()

    def submit(self, arrived: Arrived) -> tuple[Batch, int]:
        """Puts an instance into the open batch. Wait for room before.

        Returns:
            The batch, and the instance's 0-based position in its outcome. Call `want` before you
            wait for that.

        Raises:
            Unavailable: The service is stopping.
        """
        if self._is_closing:
            msg = "the service is stopping; send the request again"
            raise Unavailable(msg)
        name = arrived.name
        if self._open is not None and name in self._open.names:
            # A pack's names are unique: the index finds it stored when its own batch comes.
            self._close(self._open)
        if self._open is None:
            self._open = Batch(self._blobs)
        batch = self._open
        position = batch.add(arrived, name)
        self._count(arrived.instance.length)
        if batch.unwritten_bytes >= WRITE_BYTES and batch.filling is None:
            batch.filling = asyncio.create_task(self._fill(batch))
        limits = self._limits
        if (
            batch.byte_count >= limits.batch_bytes_max
            or len(batch.arrived) >= limits.batch_count_max
        ):
            self._close(batch)
        return batch, position

    def want(self, batch: Batch) -> None:
        """Says that someone waits for a batch: it is completed as soon as there is a turn."""
        batch.is_wanted = True
        self._take_turns()

    async def close(self) -> None:
        """Writes what has gathered and takes no more."""
        self._is_closing = True
        self._room.set()
        self._drop_empty()
        if self._open is not None:
            self._close(self._open)
        while tasks := self._completing | self._dropping:
            await asyncio.wait(tasks)

    def _drop_empty(self) -> None:
        """Removes the file of a batch for which nothing came."""
        batch = self._open
        if batch is not None and not batch.arrived:
            self._open = None
            task = asyncio.create_task(_abort(batch))
            self._dropping.add(task)
            task.add_done_callback(self._dropping.discard)

    def _count(self, byte_count: int) -> None:
        self.unwritten_bytes += byte_count
        self._make_room()

    def _make_room(self) -> None:
        is_full = self.unwritten_bytes >= self._limits.batch_bytes_max
        if is_full or len(self._closed) >= CLOSED_COUNT_MAX:
            self._room.clear()
        else:
            self._room.set()

    def _close(self, batch: Batch) -> None:
        self._open = None
        self._closed.append(batch)
        self._take_turns()

    def _take_turns(self) -> None:
        while len(self._completing) < TURN_COUNT:
            if self._closed:
                batch = self._closed.popleft()
            elif self._open is not None and self._is_due(self._open):
                batch, self._open = self._open, None
            else:
                break
            task = asyncio.create_task(self._complete(batch))
            self._completing.add(task)
            task.add_done_callback(self._end_turn)
        self._make_room()

    def _is_due(self, batch: Batch) -> bool:
        return batch.is_wanted and (not self._completing or batch.byte_count >= WRITE_BYTES)

    def _end_turn(self, task: asyncio.Task[None]) -> None:
        self._completing.discard(task)
        self._take_turns()

    async def _fill(self, batch: Batch) -> None:
        """Writes a batch while it grows. An error is met again when it is completed."""
        try:
            while batch.unwritten_bytes >= WRITE_BYTES:
                byte_count = batch.unwritten_bytes
                try:
                    await batch.pack.write(batch.take_unwritten())
                finally:
                    self._count(-byte_count)
        except BaseException:
            if batch is self._open:
                self._close(batch)
            raise
        batch.filling = None

    async def _complete(self, batch: Batch) -> None:
        """Writes what is left of a batch, indexes it, and tells everyone who waits for it."""
        outcome: Outcome
        try:
            outcome = await self._write(batch)
        except LongshoreError as error:
            outcome = error
        except Exception as error:
            count = len(batch.arrived)
            _log.error("a batch of %d instances failed: %s", count, without_values(error))
            outcome = Unavailable("the batch could not be written; send the request again")
        batch.outcome.set_result(outcome)
        await _abort(batch)

    async def _write(self, batch: Batch) -> list[bool]:
        """Blob first, index second: the commit waits for the pack, what comes before does not."""
        try:
            if batch.filling is not None:
                await batch.filling
            plan = batch.pack.plan(batch.unwritten)
            entries = [
                NewInstance(
                    arrived.partition.key,
                    arrived.instance,
                    payload_offset,
                    segment_offset,
                    arrived.terms,
                )
                for arrived, payload_offset, segment_offset in zip(
                    batch.arrived, plan.payload_offsets, plan.segment_offsets, strict=True
                )
            ]
            pack = NewPack(batch.pack.pack_id, plan.length)
        except BaseException:
            self._count(-batch.unwritten_bytes)
            raise
        durable = asyncio.ensure_future(self._finish(batch, plan))
        try:
            return await index_pack(self._database, self._blobs, pack, entries, durable=durable)
        finally:
            await asyncio.wait([durable])

    async def _finish(self, batch: Batch, plan: PackPlan) -> None:
        byte_count = batch.unwritten_bytes
        try:
            await batch.pack.finish(plan, batch.take_unwritten())
        finally:
            self._count(-byte_count)


@dataclass(frozen=True, slots=True)
class _Duplicate:
    pack_id: str
    payload_offset: int


async def _abort(batch: Batch) -> None:
    # What it cannot remove, the sweep will.
    with contextlib.suppress(LongshoreError):
        await batch.pack.abort()


async def index_pack(
    database: Database,
    blobs: BlobStore,
    pack: NewPack,
    entries: Sequence[NewInstance],
    *,
    durable: asyncio.Future[None] | None = None,
) -> list[bool]:
    """Indexes a pack; returns whether each of its n entries is stored.

    An entry that is not is a duplicate; a pack of nothing else is removed again. What died by this,
    here or in other packs, is noted.

    Args:
        durable: Done when the pack is durable, as for `store_batch`.
    """
    indexed = await store_batch(database, pack, entries, durable=durable)
    are_stored = indexed.are_stored
    if durable is not None:
        await durable
    if not any(are_stored):
        # Left behind by a failure here, the sweep finds it.
        with contextlib.suppress(LongshoreError):
            await blobs.delete(pack_blob(pack.pack_id))
    elif indexed.replaced or not all(are_stored):
        duplicates = [
            _Duplicate(pack.pack_id, entry.payload_offset)
            for entry, is_stored in zip(entries, are_stored, strict=True)
            if not is_stored
        ]
        await record_dead(blobs, [*indexed.replaced, *duplicates])
    return are_stored
