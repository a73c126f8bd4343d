"""Merges small packs of series that have come to rest.

A modality that stores one instance per request leaves one pack per instance, and a Retrieve of the
series reads from hundreds. What is merged is packs as a whole: a pack whose series rest, and the
small packs beside it in these series, whatever else they hold. In the new pack the entries lie in
the order of a Retrieve, so that a series is one run of bytes, or one per new pack.

Nothing is copied over and over: a pack that is a quarter of a full one is left alone, and so is one
that is larger than all the others of its group together.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from longshore._native import PackFormatError
from longshore.errors import BlobNotFound, Conflict, Unavailable, without_values
from longshore.index.database import Database
from longshore.index.merge import (
    DuePack,
    RelatedPack,
    SmallPack,
    due_packs,
    last_arrival,
    related_packs,
    set_merge_at,
)
from longshore.services.copying import Copied, Copier

_log = logging.getLogger(__name__)

PACK_COUNT_MIN = 8
"""Fewer packs than that are not worth merging: a Retrieve reads them at the same time."""
LOOK_COUNT_MAX = 2_000
"""Packs that are looked at in one round; each costs two short statements."""
ROUND_BYTES_MAX = 1024**3
"""No further pack is begun in a round behind so many bytes."""
RETRY_S = 900.0
"""How long packs are left alone that could not be merged, in seconds."""


@dataclass(frozen=True, slots=True)
class MergeRules:
    """Which packs are merged, and to what.

    Attributes:
        rest_s: How long nothing came to a series that has come to rest.
        pack_bytes_max: Only packs below this are merged; 0: none.
        bytes_max: Bytes of the packs that become one.
        count_max: Instances of one pack; one with a quarter of them is no longer small.
    """

    rest_s: float = 900.0
    pack_bytes_max: int = 16 * 1024**2
    bytes_max: int = 64 * 1024**2
    count_max: int = 1_000

    @property
    def small(self) -> SmallPack:
        """When a pack is small."""
        return SmallPack(bytes_max=self.pack_bytes_max, count_max=max(2, self.count_max // 4))


@dataclass(slots=True)
class Merged:
    """What one round merged, and whether it left nothing to look at."""

    new_pack_count: int = 0
    old_pack_count: int = 0
    instance_count: int = 0
    byte_count: int = 0
    is_done: bool = False

    def add(self, copied: Copied) -> None:
        """Counts one new pack; none, where everything was deleted meanwhile."""
        if copied.instance_count == 0:
            return
        self.new_pack_count += 1
        self.old_pack_count += copied.pack_count
        self.instance_count += copied.instance_count
        self.byte_count += copied.byte_count


async def merge_round(database: Database, copier: Copier, rules: MergeRules) -> Merged:
    """Looks at packs that wait in the queue, within the bounds of a round.

    Raises:
        Unavailable: The storage or the index does not answer.
    """
    before = datetime.now(UTC) - timedelta(seconds=rules.rest_s)
    merged, looked = Merged(), 0
    while looked < LOOK_COUNT_MAX:
        due = await due_packs(database, rules.small, before=before)
        if not due:
            merged.is_done = True
            break
        looked += len(due)
        await set_merge_at(database, [pack.pack_id for pack in due if not pack.is_small], None)
        gone: set[str] = set()
        for pack in due:
            if merged.byte_count >= ROUND_BYTES_MAX:
                return merged
            if pack.is_small and pack.pack_id not in gone:
                gone |= await _look(database, copier, rules, pack, before=before, merged=merged)
    return merged


async def _look(
    database: Database,
    copier: Copier,
    rules: MergeRules,
    pack: DuePack,
    *,
    before: datetime,
    merged: Merged,
) -> set[str]:
    """Merges what lies beside a pack, if that is worth it; returns the packs that are done with."""
    last = await last_arrival(database, pack.pack_id)
    if last is not None and last > before:
        await set_merge_at(database, [pack.pack_id], last)
        return set()
    group = worth_merging(await related_packs(database, rules.small, pack.pack_id), rules)
    if not group:
        await set_merge_at(database, [pack.pack_id], None)
        return set()
    pack_ids = [each.pack_id for each in group]
    try:
        merged.add(await copier.copy(group))
    except (PackFormatError, BlobNotFound, Conflict, Unavailable) as error:
        # Later, and all of them: each would meet the same fault.
        later = datetime.now(UTC) + timedelta(seconds=RETRY_S)
        await set_merge_at(database, pack_ids, later)
        if isinstance(error, Unavailable):
            raise
        _log.error("%d packs cannot be merged: %s", len(group), without_values(error))
    return set(pack_ids)


def worth_merging(related: Sequence[RelatedPack], rules: MergeRules) -> list[RelatedPack]:
    """Returns those of n related packs, the oldest first, that become one; empty if too few."""
    group: list[RelatedPack] = []
    byte_count = instance_count = 0
    for pack in related:
        byte_count += pack.length
        instance_count += pack.live_count
        if byte_count > rules.bytes_max or instance_count > rules.count_max:
            break
        group.append(pack)
    byte_count = sum(pack.length for pack in group)
    for pack in sorted(group, key=lambda each: each.length, reverse=True):
        if pack.length <= byte_count - pack.length:
            break
        byte_count -= pack.length
        group.remove(pack)
    return group if len(group) >= PACK_COUNT_MIN else []
