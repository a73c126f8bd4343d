"""A long part on its way to a pack of its own, so that only its header is ever in memory."""

from collections.abc import Sequence
from typing import Self

from longshore._native import plan_pack
from longshore.blobs.store import BlobStore, BlobWriter
from longshore.dicom import Instance, Partition
from longshore.extent import pack_blob
from longshore.index.database import Database
from longshore.index.new import NewInstance, NewPack, StoreTerms
from longshore.services.batch import index_pack
from longshore.services.packs import new_pack_id

PACK_HEAD_BYTES = 512
"""Room before the payload for its ZIP header: at most 328 bytes with a partition and three UIDs of
64 characters each."""


class LongPart:
    """A pack of one instance, written while the instance arrives."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        partition: Partition,
        terms: StoreTerms,
        pack_id: str,
        writer: BlobWriter,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._partition = partition
        self._terms = terms
        self._pack_id = pack_id
        self._writer = writer

    @classmethod
    async def open(
        cls, database: Database, blobs: BlobStore, partition: Partition, terms: StoreTerms
    ) -> Self:
        """Begins the pack; its head is left blank."""
        pack_id = new_pack_id()
        writer = await blobs.open_writer(pack_blob(pack_id), head_length=PACK_HEAD_BYTES)
        return cls(database, blobs, partition, terms, pack_id, writer)

    async def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Appends n buffers of the payload; waits where the storage is slow."""
        await self._writer.write(pieces)

    async def finish(self, instance: Instance) -> bool:
        """Makes the pack durable, then indexes it; False for a duplicate."""
        plan = plan_pack(
            [instance.pack_entry],
            partition_names=[self._partition.name],
            first_payload_offset=PACK_HEAD_BYTES,
        )
        await self._writer.commit(head=plan.headers[0], tail=[plan.tail])
        entry = NewInstance(
            self._partition.key,
            instance,
            plan.payload_offsets[0],
            plan.segment_offsets[0],
            self._terms,
        )
        pack = NewPack(self._pack_id, plan.length)
        return (await index_pack(self._database, self._blobs, pack, [entry]))[0]

    async def abort(self) -> None:
        """Removes what was written; does nothing behind `finish`."""
        await self._writer.abort()
