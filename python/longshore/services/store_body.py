"""One Store body while it arrives: its parts become instances of batches, or packs of their own."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from longshore._native import Payload
from longshore.dicom import Instance, Partition, Refusal
from longshore.errors import LongshoreError
from longshore.index.new import ORDINARY, StoreTerms
from longshore.services.batch import Batch, Batcher
from longshore.services.long_part import LongPart
from longshore.services.pack_writer import Arrived
from longshore.services.store_outcome import Refused, Stored, StoreOutcome

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoreTarget:
    """What a Store request says besides its body.

    Attributes:
        partition: To which its instances belong.
        boundary: Of a multipart body; None if the body is one Part 10 file.
        root_type: The request's `type` parameter.
        study_uid: The study in the path, to which every instance must belong.
        is_strict: v1: refuse invalid indexed attributes instead of dropping them.
        byte_count: Of the body, as far as the request says so; 0 if it does not.
        terms: What is asked for beyond storing.
    """

    partition: Partition
    boundary: bytes | None
    root_type: str | None
    study_uid: str | None
    is_strict: bool
    byte_count: int = 0
    terms: StoreTerms = ORDINARY


class _Pending(NamedTuple):
    """An instance whose batch is not done yet, by its 0-based position there."""

    instance: Stored
    batch: Batch
    position: int


class StoreBody:
    """What has come of one request so far."""

    def __init__(
        self,
        target: StoreTarget,
        batcher: Batcher,
        *,
        open_stream: Callable[[], Awaitable[LongPart]],
        hold: Callable[[int], None],
        is_identical: Callable[[Instance], Awaitable[bool]] | None,
    ) -> None:
        """Begins a body.

        Args:
            open_stream: Begins a pack of its own for a long part.
            hold: Is told how many bytes more, or fewer, the part that arrives keeps in memory.
            is_identical: Tells of a duplicate whether it is the file that is stored, and so as
                good as stored; None: it is refused in any case.
        """
        self._target = target
        self._batcher = batcher
        self._open_stream = open_stream
        self._hold = hold
        self._is_identical = is_identical
        self._stream: LongPart | None = None
        self._outcomes: list[Stored | Refused | _Pending] = []
        self._failure: LongshoreError | None = None
        self._part_bytes = 0

    @property
    def is_streaming(self) -> bool:
        """True if the part that arrives goes to a pack of its own."""
        return self._stream is not None

    def keep(self, part_bytes: int) -> None:
        """Notes how much the part that arrives keeps in memory."""
        if part_bytes != self._part_bytes:
            self._hold(part_bytes - self._part_bytes)
            self._part_bytes = part_bytes

    async def take(self, events: Sequence[Payload | Instance | Refusal]) -> None:
        """Follows the reader's events; waits where the batch or the storage is full."""
        for event in events:
            if isinstance(event, Instance):
                await self._instance(event)
            elif isinstance(event, Payload):
                if self._stream is None:
                    self._stream = await self._open_stream()
                await self._stream.write(event.pieces)
            else:
                await self._drop_stream()
                _log.info("refused an instance: %s", event.detail)
                self._outcomes.append(Refused.of(event))

    async def refuse(self, refused: Refused) -> None:
        """Notes an instance that could not even be read."""
        await self._drop_stream()
        _log.info("refused an instance: %s", refused.comments)
        self._outcomes.append(refused)

    async def settle(self) -> None:
        """Waits for every batch, and lets go of what the request held, come what may."""
        self.keep(0)
        await self._drop_stream()
        pending = [found for found in self._outcomes if isinstance(found, _Pending)]
        for batch in dict.fromkeys(each.batch for each in pending):
            self._batcher.want(batch)
        self._outcomes = [
            await self._settled(found) if isinstance(found, _Pending) else found
            for found in self._outcomes
        ]

    def outcome(self) -> StoreOutcome:
        """Returns what became of the settled request.

        Raises:
            Unavailable: Nothing was stored, and the storage or the index is why.
        """
        outcomes = [found for found in self._outcomes if not isinstance(found, _Pending)]
        if self._failure is not None and not any(isinstance(found, Stored) for found in outcomes):
            raise self._failure
        return StoreOutcome(outcomes)

    async def _instance(self, instance: Instance) -> None:
        stored = Stored.of(instance)
        if self._stream is not None:
            await self._finish_stream(self._stream, instance, stored)
            return
        arrived = Arrived(self._target.partition, instance, self._target.terms)
        if not self._batcher.has_room:
            await self._batcher.make_room()
        batch, position = self._batcher.submit(arrived)
        self._outcomes.append(_Pending(stored, batch, position))

    async def _finish_stream(self, stream: LongPart, instance: Instance, stored: Stored) -> None:
        try:
            is_stored = await stream.finish(instance)
            is_stored = is_stored or await self._is_same(instance)
        except LongshoreError as error:
            self._outcomes.append(self._failed(stored, error))
        else:
            self._outcomes.append(stored if is_stored else Refused.duplicate(stored))
        await self._drop_stream()

    async def _is_same(self, instance: Instance) -> bool:
        return self._is_identical is not None and await self._is_identical(instance)

    async def _drop_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            # Does nothing after a commit. What it cannot remove, the sweep will.
            with contextlib.suppress(LongshoreError):
                await stream.abort()

    async def _settled(self, pending: _Pending) -> Stored | Refused:
        outcome = pending.batch.outcome
        if not outcome.done():
            # Others wait for it too, whatever becomes of this request.
            await asyncio.shield(outcome)
        found = outcome.result()
        if isinstance(found, LongshoreError):
            return self._failed(pending.instance, found)
        if found[pending.position]:
            return pending.instance
        try:
            is_same = await self._is_same(pending.batch.arrived[pending.position].instance)
        except LongshoreError as error:
            return self._failed(pending.instance, error)
        return pending.instance if is_same else Refused.duplicate(pending.instance)

    def _failed(self, instance: Stored, error: LongshoreError) -> Refused:
        self._failure = error
        return Refused.failed(instance)
