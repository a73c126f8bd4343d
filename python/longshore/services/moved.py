"""What is dead in copies: an entry that moves lies in two packs for a while, and may be deleted.

A deletion notes only the place that the index named. So before a new pack appears, a note beside it
says which entries of which packs its own are copies of; an index that is rebuilt from the packs
alone takes an entry for dead if any copy of it is noted as dead. The note goes when the old packs
have gone.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from longshore.blobs.store import BlobFacts, BlobStore
from longshore.errors import BlobNotFound
from longshore.extent import Extent, pack_blob
from longshore.index.database import Database
from longshore.index.packs import claim_for_sweep, known_packs
from longshore.services.packs import DEAD_PREFIX

MOVED_PREFIX = "moved/"
READS_MAX = 16
"""Notes that are read at the same time."""
LOOK_UP_COUNT = 500
"""New packs that are looked up in the index at a time."""


class Entry(NamedTuple):
    """An entry of a pack, named by where its payload begins, in bytes."""

    pack_id: str
    payload_offset: int


async def record_moved(
    blobs: BlobStore, new_pack_id: str, copies: Iterable[tuple[Entry, int]]
) -> None:
    """Notes durably what a pack will be copied from. Call it before the pack appears.

    Args:
        copies: n pairs of an entry of an old pack and the offset of its copy in the new one.
    """
    pairs: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for old, new_offset in copies:
        pairs[old.pack_id].append((old.payload_offset, new_offset))
    await blobs.put(f"{MOVED_PREFIX}{new_pack_id}.json", [orjson.dumps(pairs)])


async def forget_moved(database: Database, blobs: BlobStore, *, grace_s: float) -> set[str]:
    """Removes the notes of moves whose old packs are gone, and of those that never came to be.

    Call it behind the sweep, so that no old pack is left that only lost its row.

    Returns:
        The packs that stay for now, dead or not, since their notes of what is dead go with them and
        speak for a copy, too. A new pack stays while old ones of it are there. An old one stays
        while its new one has no row: it may lie there until the sweep.
    """
    before = datetime.now(UTC) - timedelta(seconds=grace_s)
    notes = {_new_pack_id(facts): facts async for facts in blobs.list(MOVED_PREFIX)}
    new_pack_ids = list(notes)
    unnamed = set(new_pack_ids)
    for begin in range(0, len(new_pack_ids), LOOK_UP_COUNT):
        some = new_pack_ids[begin : begin + LOOK_UP_COUNT]
        unnamed -= await known_packs(database, some)
    needed: set[str] = set()
    for new_pack_id, facts in notes.items():
        if facts.modified_at >= before and new_pack_id not in unnamed:
            needed.add(new_pack_id)
            continue
        try:
            old_pack_ids = set((await _read(blobs, facts)).keys())
        except BlobNotFound:  # someone else was as far
            continue
        # What an old pack was copied from may be there still, and lies behind this note.
        is_last = not old_pack_ids & notes.keys()
        if facts.modified_at < before and is_last:
            if new_pack_id in unnamed:
                is_over = await _never_comes(database, blobs, new_pack_id)
            else:
                is_over = not await known_packs(database, list(old_pack_ids))
            if is_over:
                await blobs.delete(facts.name)
                continue
        needed.add(new_pack_id)
        if new_pack_id in unnamed:
            needed |= old_pack_ids
    return needed


async def _never_comes(database: Database, blobs: BlobStore, new_pack_id: str) -> bool:
    """Whoever copied a pack stopped, or stops when it meets the claim."""
    if [facts async for facts in blobs.list(pack_blob(new_pack_id))]:
        return False
    return await claim_for_sweep(database, new_pack_id)


async def drop_moved(blobs: BlobStore, new_pack_id: str) -> None:
    """Removes the note of a move whose new pack will never appear."""
    await blobs.delete(f"{MOVED_PREFIX}{new_pack_id}.json")


async def all_dead(blobs: BlobStore) -> dict[str, set[int]]:
    """Returns the payload offsets of dead entries by pack: those noted, and all copies of them."""
    dead: dict[str, set[int]] = defaultdict(set)
    async for facts, offsets in _notes(blobs, DEAD_PREFIX):
        dead[facts.name.split("/")[1]].update(offsets)
    copies: dict[Entry, list[Entry]] = defaultdict(list)
    async for facts, pairs in _notes(blobs, MOVED_PREFIX):
        for old, new in _copies(_new_pack_id(facts), pairs):
            copies[old].append(new)
            copies[new].append(old)
    spreading = [Entry(pack_id, each) for pack_id, offsets in dead.items() for each in offsets]
    while spreading:
        for copy in copies[spreading.pop()]:
            if copy.payload_offset not in dead[copy.pack_id]:
                dead[copy.pack_id].add(copy.payload_offset)
                spreading.append(copy)
    return dead


def _new_pack_id(facts: BlobFacts) -> str:
    return facts.name.removeprefix(MOVED_PREFIX).removesuffix(".json")


def _copies(
    new_pack_id: str, pairs: Mapping[str, Sequence[tuple[int, int]]]
) -> Iterable[tuple[Entry, Entry]]:
    for old_pack_id, offsets in pairs.items():
        for old_offset, new_offset in offsets:
            yield Entry(old_pack_id, old_offset), Entry(new_pack_id, new_offset)


async def _notes(blobs: BlobStore, prefix: str) -> AsyncIterator[tuple[BlobFacts, Any]]:
    """Yields every note with what it says."""
    some: list[BlobFacts] = []
    async for facts in blobs.list(prefix):
        some.append(facts)
        if len(some) == READS_MAX:
            for each in await _read_all(blobs, some):
                yield each
            some = []
    for each in await _read_all(blobs, some):
        yield each


async def _read_all(blobs: BlobStore, some: Sequence[BlobFacts]) -> list[tuple[BlobFacts, Any]]:
    notes = await asyncio.gather(*(_read(blobs, facts) for facts in some))
    return list(zip(some, notes, strict=True))


async def _read(blobs: BlobStore, facts: BlobFacts) -> Any:
    return orjson.loads(await blobs.read(Extent(facts.name, 0, facts.length)))
