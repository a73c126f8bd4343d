"""Naming packs, and what of a pack is dead: its entries that no index row names any more.

A dead entry is noted durably beside the packs, so that an index rebuilt from the packs alone does
not bring back what was deleted or refused as a duplicate.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import orjson

from longshore._native import PackedInstance, pack_directory_length, read_pack_directory
from longshore.blobs.store import BlobStore
from longshore.extent import Extent, pack_blob

PACK_PREFIX = "packs/"
DEAD_PREFIX = "dead/"
END_BYTES = 64 * 1024
"""What is read of a pack's end at first; holds the directory of about 200 instances."""


class DeadEntry(Protocol):
    """An entry of a pack that lost its row."""

    @property
    def pack_id(self) -> str:
        """The pack."""
        ...

    @property
    def payload_offset(self) -> int:
        """Where the entry's file lies in the pack, in bytes; names the entry."""
        ...


def new_pack_id() -> str:
    """Returns 32 hex digits that begin with the time, so that pack ids sort by age."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def moved_pack_id(old_pack_ids: Sequence[str]) -> str:
    """Returns an id for a pack of entries that were in others, of the oldest one's time.

    So packs still sort by age: a rebuild meets an instance before the duplicates that were refused
    because of it.
    """
    return f"{min(old_pack_ids)[:12]}{secrets.token_hex(10)}"


async def record_dead(blobs: BlobStore, entries: Sequence[DeadEntry]) -> None:
    """Notes dead entries durably, one small blob per pack.

    Call it behind the index transaction and before the answer: then an acknowledged deletion
    outlives the loss of the index, and an unacknowledged one may be asked for again.

    Raises:
        Unavailable: The note was not written. The deletion stands, unless the index is lost.
    """
    offsets: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        offsets[entry.pack_id].append(entry.payload_offset)
    for pack_id, dead in offsets.items():
        name = f"{DEAD_PREFIX}{pack_id}/{secrets.token_hex(8)}.json"
        await blobs.put(name, [orjson.dumps(sorted(dead))])


async def forget_dead(blobs: BlobStore, pack_id: str) -> None:
    """Removes the notes of a pack that is gone."""
    async for facts in blobs.list(f"{DEAD_PREFIX}{pack_id}/"):
        await blobs.delete(facts.name)


async def read_directory(blobs: BlobStore, pack_id: str, length: int) -> list[PackedInstance]:
    """Reads what a pack holds, from the pack alone.

    Args:
        length: Bytes of the whole pack.

    Raises:
        PackFormatError: The blob is no pack, or a damaged one.
    """
    name = pack_blob(pack_id)
    end = await blobs.read(Extent(name, max(0, length - END_BYTES), min(length, END_BYTES)))
    directory_length = pack_directory_length(end, pack_length=length)
    if directory_length <= len(end):
        directory = end[len(end) - directory_length :]
    else:
        directory = await blobs.read(Extent(name, length - directory_length, directory_length))
    return read_pack_directory(directory, pack_length=length)
