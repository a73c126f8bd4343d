"""Gives space back and puts it in order, in the background: sweeps, rewrites and merges packs.

Every process runs this; what they share is the index, which lets only one of them have its turn.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from longshore.blobs.store import BlobStore
from longshore.index import turns
from longshore.index.database import Database
from longshore.index.locks import Lock
from longshore.services.copying import Copier, CopyRules
from longshore.services.merge import Merged, MergeRules, merge_round
from longshore.services.moved import forget_moved
from longshore.services.rewrite import reclaim_dead
from longshore.services.rounds import surviving
from longshore.services.sweep import forget_strays, sweep

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReclaimRules:
    """When what is given back.

    Attributes:
        deleted_retention_s: How long the bytes of a deleted instance stay.
        sweep_grace_s: How long a pack stays that no row names: one whose Store is under way, or one
            whose entries were moved, for readers that have located it.
        sweep_interval_s: Time between two rounds.
        copy_bytes_per_s_max: Bytes that are copied in a second, by rewriting and merging.
    """

    deleted_retention_s: float = 3 * 24 * 3600.0
    sweep_grace_s: float = 3600.0
    sweep_interval_s: float = 60.0
    copy_bytes_per_s_max: int = 32 * 1024**2
    merge: MergeRules = field(default_factory=MergeRules)


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What one round gave back."""

    unfinished_count: int = 0
    swept_count: int = 0
    removed_count: int = 0
    rewritten_count: int = 0
    merged: Merged = field(default_factory=lambda: Merged(is_done=True))

    @property
    def is_nothing(self) -> bool:
        """Whether there was nothing to do."""
        counts = (self.unfinished_count, self.swept_count, self.removed_count, self.rewritten_count)
        return not any(counts) and self.merged.new_pack_count == 0


async def reclaim_forever(database: Database, blobs: BlobStore, rules: ReclaimRules) -> None:
    """Runs rounds until cancelled. A round that fails is logged and followed by the next."""
    while True:
        await asyncio.sleep(rules.sweep_interval_s)
        with surviving(_log, f"reclaiming space failed, next try in {rules.sweep_interval_s:g} s"):
            done = await reclaim(database, blobs, rules)
            if not done.is_nothing:
                _log.info("reclaimed space: %s", done)


async def reclaim(database: Database, blobs: BlobStore, rules: ReclaimRules) -> Reclaimed:
    """Runs one round, unless another process is at it."""
    async with turns.take_turn(database, Lock.RECLAIM) as is_ours:
        if not is_ours:
            return Reclaimed()
        unfinished = await blobs.sweep_unfinished(age_s_min=rules.sweep_grace_s)
        swept = await sweep(database, blobs, grace_s=rules.sweep_grace_s)
        await forget_strays(database, blobs, grace_s=rules.sweep_grace_s)
        needed = await forget_moved(database, blobs, grace_s=rules.sweep_grace_s)
        copier = Copier(
            database,
            blobs,
            CopyRules(
                bytes_per_s_max=rules.copy_bytes_per_s_max,
                deleted_retention_s=rules.deleted_retention_s,
                sweep_grace_s=rules.sweep_grace_s,
            ),
        )
        removed, rewritten = await reclaim_dead(
            database,
            blobs,
            copier,
            deleted_retention_s=rules.deleted_retention_s,
            needed=needed,
        )
        merged = await merge_round(database, copier, rules.merge)
        return Reclaimed(unfinished, swept, removed, rewritten, merged)
