"""One pack on its way to storage: its instances may be written while others still join it."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from longshore._native import PackEntry, PackPlan, plan_pack
from longshore.blobs.store import BlobStore, BlobWriter
from longshore.dicom import Instance, Partition
from longshore.extent import pack_blob
from longshore.index.new import ORDINARY, StoreTerms
from longshore.services.packs import new_pack_id

Pieces = list[bytes | memoryview]
Name = tuple[int, str, str, str]
"""Partition and UIDs: what a pack has once."""


class Arrived(NamedTuple):
    """An instance that arrived whole and waits to be written; the instance holds its bytes."""

    partition: Partition
    instance: Instance
    terms: StoreTerms = ORDINARY

    @property
    def name(self) -> Name:
        """What names it within a pack."""
        instance = self.instance
        return (
            self.partition.key,
            instance.study_uid,
            instance.series_uid,
            instance.sop_instance_uid,
        )


class PackWriter:
    """Writes one pack. What was written is let go of."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._entries: list[PackEntry] = []
        self._partition_names: list[str] = []
        self._opening: asyncio.Task[BlobWriter] | None = None
        self.pack_id = new_pack_id()

    def open(self) -> asyncio.Task[BlobWriter]:
        """Begins the pack, if nobody did, though there may be nothing to write yet."""
        if self._opening is None:
            opened = self._blobs.open_writer(pack_blob(self.pack_id), head_length=0)
            self._opening = asyncio.ensure_future(opened)
        return self._opening

    async def write(self, some: Sequence[Arrived]) -> None:
        """Writes n instances behind those before; returns when more may be written."""
        entries = [arrived.instance.pack_entry for arrived in some]
        partition_names = [arrived.partition.name for arrived in some]
        self._entries += entries
        self._partition_names += partition_names
        pieces = _pieces(plan_pack(entries, partition_names=partition_names), some)
        await (await self.open()).write(pieces)

    def plan(self, rest: Sequence[Arrived]) -> PackPlan:
        """Lays out the whole pack: what was written, and the n instances that complete it."""
        return plan_pack(
            [*self._entries, *(arrived.instance.pack_entry for arrived in rest)],
            partition_names=[*self._partition_names, *(each.partition.name for each in rest)],
        )

    async def finish(self, plan: PackPlan, rest: Sequence[Arrived]) -> None:
        """Writes the rest and makes the pack durable.

        Args:
            plan: What `plan` returned for this rest.
        """
        pieces = [*_pieces(plan, rest, first=len(self._entries)), plan.tail]
        if self._opening is None:
            await self._blobs.put(pack_blob(self.pack_id), pieces)
        else:
            await (await self._opening).commit(head=b"", tail=pieces)

    async def abort(self) -> None:
        """Removes what was written; does nothing behind `finish`."""
        if self._opening is not None:
            # Where it could not even be begun, whoever wrote has heard of it.
            await asyncio.wait([self._opening])
            if self._opening.exception() is None:
                await self._opening.result().abort()


def _pieces(plan: PackPlan, some: Sequence[Arrived], *, first: int = 0) -> Pieces:
    pieces: Pieces = []
    for header, arrived in zip(plan.headers[first:], some, strict=True):
        pieces.append(header)
        pieces += arrived.instance.take_pieces()
    return pieces
