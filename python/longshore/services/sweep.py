"""Sweeps packs that no row names: a crash, a failed transaction or an abandoned copy left them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from longshore.blobs.store import BlobFacts, BlobStore
from longshore.index import packs as index_packs
from longshore.index.database import Database
from longshore.services.packs import PACK_PREFIX, forget_dead

LIST_COUNT = 500
"""Packs that are compared with the index at a time."""


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
