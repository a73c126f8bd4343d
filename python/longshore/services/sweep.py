"""Sweeps what no row names: packs, and notes of what is dead in packs that are gone.

A crash, a failed transaction or an abandoned copy left such a pack; a note is left where a deletion
wrote it behind the removal of its pack, or a crash came between the two.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from longshore.blobs.store import BlobFacts, BlobStore
from longshore.index import packs as index_packs
from longshore.index.database import Database
from longshore.services.packs import DEAD_PREFIX, PACK_PREFIX, forget_dead

LIST_COUNT = 500
"""Packs, or notes, that are compared with the index at a time."""


async def sweep(database: Database, blobs: BlobStore, *, grace_s: float) -> int:
    """Removes packs that no row names: a crash or a failed transaction left them. Returns how many.

    Only packs older than `grace_s` are looked at; a Store that is still under way after that finds
    its pack claimed, fails, and is sent again.
    """
    swept = 0
    old: list[BlobFacts] = []
    before = datetime.now(UTC) - timedelta(seconds=grace_s)
    async for facts in blobs.list(PACK_PREFIX):
        if facts.modified_at < before:
            old.append(facts)
        if len(old) == LIST_COUNT:
            swept += await _sweep_some(database, blobs, old)
            old = []
    return swept + await _sweep_some(database, blobs, old)


async def _sweep_some(database: Database, blobs: BlobStore, some: Sequence[BlobFacts]) -> int:
    names = {facts.name.rsplit("/", 1)[-1].removesuffix(".zip"): facts.name for facts in some}
    known = await index_packs.known_packs(database, list(names))
    swept = 0
    for pack_id, name in names.items():
        if pack_id in known or not await index_packs.claim_for_sweep(database, pack_id):
            continue
        # The claim stays: a Store that wakes up even later must not name a blob that is gone.
        await blobs.delete(name)
        await forget_dead(blobs, pack_id)
        swept += 1
    return swept


async def forget_strays(database: Database, blobs: BlobStore, *, grace_s: float) -> None:
    """Removes notes of what is dead in packs that are gone.

    Call it behind the sweep: whatever pack without a row is left then is younger than the grace,
    and so are its notes.
    """
    before = datetime.now(UTC) - timedelta(seconds=grace_s)
    old: list[BlobFacts] = []
    async for facts in blobs.list(DEAD_PREFIX):
        if facts.modified_at < before:
            old.append(facts)
        if len(old) == LIST_COUNT:
            await _forget_some(database, blobs, old)
            old = []
    await _forget_some(database, blobs, old)


async def _forget_some(database: Database, blobs: BlobStore, some: Sequence[BlobFacts]) -> None:
    pack_ids = {facts.name: facts.name.split("/")[1] for facts in some}
    known = await index_packs.known_packs(database, list(set(pack_ids.values())))
    for name, pack_id in pack_ids.items():
        if pack_id not in known:
            await blobs.delete(name)
