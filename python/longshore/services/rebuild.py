"""Rebuilds the index from the packs alone.

Every payload is read once, its CRC-32 compared, and indexed as it was when it came. The change feed
begins anew, with one creation per instance in the packs' order.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from longshore._native import PackedInstance, PackFormatError, StoreReader
from longshore.blobs.store import BlobStore
from longshore.dicom import Instance, Refusal
from longshore.errors import InvalidRequest
from longshore.extent import Extent, pack_blob
from longshore.index.database import Database
from longshore.index.new import NewInstance, NewPack
from longshore.index.packs import known_packs
from longshore.index.store import store_batch
from longshore.services.moved import all_dead
from longshore.services.packs import PACK_PREFIX, read_directory
from longshore.services.partitions import Partitions
from longshore.services.store import StoreLimits

_log = logging.getLogger(__name__)

READ_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found.

    Attributes:
        damaged: Blobs that are no whole pack, or hold an entry that differs from its CRC-32. They
            are left as they are.
    """

    pack_count: int
    instance_count: int
    damaged: Sequence[str]


async def rebuild(database: Database, blobs: BlobStore, limits: StoreLimits) -> Rebuilt:
    """Indexes every pack that the index does not name yet, oldest first.

    May be stopped and run again: a pack is indexed in one transaction.
    """
    packs = sorted(
        [(facts.name, facts.length) async for facts in blobs.list(PACK_PREFIX)], key=_age
    )
    all_offsets = await all_dead(blobs)
    # The packs have them, whatever the service that stored them was told.
    partitions = Partitions(database)
    pack_count = instance_count = 0
    damaged: list[str] = []
    for name, length in packs:
        pack_id = _pack_id(name)
        if await known_packs(database, [pack_id]):
            continue
        dead = all_offsets.get(pack_id, set())
        try:
            entries = [
                NewInstance(
                    (await partitions.ensure(packed.partition_name)).key,
                    instance,
                    packed.payload_offset,
                    packed.segment_offset,
                )
                async for packed, instance in _entries(blobs, pack_id, length, limits, dead)
            ]
        except (PackFormatError, InvalidRequest):
            _log.error("pack %s is damaged", pack_id)
            damaged.append(name)
            continue
        if entries:
            pack = NewPack(pack_id, length, dead_count=len(dead))
            stored = await store_batch(database, pack, entries)
            pack_count += 1
            instance_count += sum(stored.are_stored)
    return Rebuilt(pack_count, instance_count, damaged)


def _pack_id(name: str) -> str:
    return name.rsplit("/", 1)[-1].removesuffix(".zip")


def _age(pack: tuple[str, int]) -> str:
    return _pack_id(pack[0])


async def _entries(
    blobs: BlobStore, pack_id: str, length: int, limits: StoreLimits, dead: set[int]
) -> AsyncIterator[tuple[PackedInstance, Instance]]:
    """Yields a pack's entries that are not noted as dead."""
    for packed in await read_directory(blobs, pack_id, length):
        if packed.payload_offset in dead:
            continue
        instance = await _reread(blobs, pack_id, packed, limits)
        if isinstance(instance, Refusal) or instance.pack_entry.crc32 != packed.crc32:
            msg = f"{packed.sop_instance_uid} in pack {pack_id} is damaged"
            raise PackFormatError(msg)
        yield packed, instance


async def _reread(
    blobs: BlobStore, pack_id: str, packed: PackedInstance, limits: StoreLimits
) -> Instance | Refusal:
    """Reads an instance as it was read when it came."""
    reader = StoreReader(
        boundary=None,
        root_type=None,
        study_uid=None,
        is_strict=False,
        part_bytes_max=packed.payload_length,
        part_count_max=1,
        part_header_bytes_max=limits.part_header_bytes_max,
        inline_bytes_max=limits.inline_bytes_max,
        inflated_bytes_max=limits.inflated_bytes_max,
    )
    payload = Extent(pack_blob(pack_id), packed.payload_offset, packed.payload_length)
    async for chunk in blobs.stream(payload, chunk_bytes=READ_BYTES):
        # What is streamed is handed out and dropped; only what is read of it is wanted.
        reader.feed(chunk, part_bytes_max_in_memory=0)
    events = reader.finish()
    if not events or not isinstance(events[-1], Instance | Refusal):
        msg = f"{packed.sop_instance_uid} in pack {pack_id} cannot be read"
        raise PackFormatError(msg)
    return events[-1]
