"""One pack on its way to storage: its instances may be written while others still join it."""

from collections.abc import Sequence
from typing import NamedTuple

from longshore._native import PackEntry, PackPlan, plan_pack
from longshore.blobs.store import BlobStore, BlobWriter
from longshore.dicom import Instance
from longshore.extent import pack_blob
from longshore.services.packs import new_pack_id

Pieces = list[bytes | memoryview]


class Arrived(NamedTuple):
    """An instance that arrived whole and waits to be written; the instance holds its bytes."""

    partition_key: int
    instance: Instance

    @property
    def uids(self) -> tuple[str, str, str]:
        """What names it within a pack."""
        instance = self.instance
        return (instance.study_uid, instance.series_uid, instance.sop_instance_uid)


class PackWriter:
    """Writes one pack. What was written is let go of."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._entries: list[PackEntry] = []
        self._writer: BlobWriter | None = None
        self.pack_id = new_pack_id()

    async def write(self, some: Sequence[Arrived]) -> None:
        """Writes n instances behind those before; returns when more may be written."""
        entries = [arrived.instance.pack_entry for arrived in some]
        self._entries += entries
        pieces = _pieces(plan_pack(entries), some)
        await (await self._open()).write(pieces)

    def plan(self, rest: Sequence[Arrived]) -> PackPlan:
        """Lays out the whole pack: what was written, and the n instances that complete it."""
        return plan_pack([*self._entries, *(arrived.instance.pack_entry for arrived in rest)])

    async def finish(self, plan: PackPlan, rest: Sequence[Arrived]) -> None:
        """Writes the rest and makes the pack durable.

        Args:
            plan: What `plan` returned for this rest.
        """
        pieces = _pieces(plan, rest, first=len(self._entries))
        if self._writer is None:
            await self._blobs.put(pack_blob(self.pack_id), [*pieces, plan.tail])
            return
        await self._writer.write(pieces)
        await self._writer.commit(head=b"", tail=plan.tail)

    async def abort(self) -> None:
        """Removes what was written; does nothing behind `finish`."""
        if self._writer is not None:
            await self._writer.abort()

    async def _open(self) -> BlobWriter:
        if self._writer is None:
            self._writer = await self._blobs.open_writer(pack_blob(self.pack_id), head_length=0)
        return self._writer


def _pieces(plan: PackPlan, some: Sequence[Arrived], *, first: int = 0) -> Pieces:
    pieces: Pieces = []
    for header, arrived in zip(plan.headers[first:], some, strict=True):
        pieces.append(header)
        pieces += arrived.instance.take_pieces()
    return pieces
