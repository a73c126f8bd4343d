"""Gives the space of dead entries back: dead packs go, packs with a live rest are rewritten.

A pack is rewritten when its first dead entry has been dead for `deleted_retention_s`, however
little that frees. A threshold would save copying, but then a deleted instance among many live ones
would stay, and deletion is real. What it costs is bounded as it is: a pack is rewritten once per
retention at most, and a study is mostly deleted as a whole.

The old pack goes when its last dead entry has been dead for the retention, and `sweep_grace_s`
behind the rewriting at the earliest. So the bytes of a deleted instance stay for the retention, and
no longer than twice that (and two graces, and a round).
"""

import asyncio
import logging
from collections.abc import Set
from datetime import UTC, datetime, timedelta

from longshore._native import PackFormatError
from longshore.blobs.store import BlobStore
from longshore.errors import LongshoreError, without_values
from longshore.extent import pack_blob
from longshore.index import packs as index_packs
from longshore.index.database import Database
from longshore.index.packs import DeadPack
from longshore.services.copying import Copier
from longshore.services.packs import forget_dead

_log = logging.getLogger(__name__)

REMOVALS_MAX = 8
"""Packs that are removed at the same time."""


async def reclaim_dead(
    database: Database,
    blobs: BlobStore,
    copier: Copier,
    *,
    deleted_retention_s: float,
    needed: Set[str],
) -> tuple[int, int]:
    """Removes dead packs and rewrites those with a live rest; returns how many of each.

    Args:
        needed: Packs that stay whatever is dead in them (see `forget_moved`); so do those that
            this round copies.
    """
    before = datetime.now(UTC) - timedelta(seconds=deleted_retention_s)
    removed = rewritten = 0
    last: DeadPack | None = None
    while page := await index_packs.dead_packs(database, dead_before=before, behind=last):
        last = page[-1]
        dead = [
            pack
            for pack in page
            if pack.live_count == 0
            and pack.pack_id not in needed
            and pack.pack_id not in copier.touched
        ]
        for begin in range(0, len(dead), REMOVALS_MAX):
            some = dead[begin : begin + REMOVALS_MAX]
            removed += sum(await asyncio.gather(*(_remove(database, blobs, each) for each in some)))
        for pack in page:
            if pack.live_count > 0:
                rewritten += await _rewrite(copier, pack)
    return removed, rewritten


async def _remove(database: Database, blobs: BlobStore, pack: DeadPack) -> bool:
    """Blob first: a row without a blob is looked at again, a blob without a row is swept."""
    try:
        await blobs.delete(pack_blob(pack.pack_id))
        await forget_dead(blobs, pack.pack_id)
        await index_packs.forget_pack(database, pack.pack_id)
    except LongshoreError as error:
        _log.error("pack %s cannot be removed: %s", pack.pack_id, error)
        return False
    return True


async def _rewrite(copier: Copier, pack: DeadPack) -> bool:
    try:
        await copier.copy([pack])
    except (LongshoreError, PackFormatError) as error:
        # A damaged pack must not keep the others from being looked at.
        _log.error("pack %s cannot be rewritten: %s", pack.pack_id, without_values(error))
        return False
    return True
