"""Which packs are worth merging: a queue, and what lies beside a pack in its series.

Every pack stands in the queue once, when it is new; whoever looks at it takes it off, or puts it
back to a later time. So what a round costs depends on what came since, not on what is stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from longshore.index import sql
from longshore.index.database import Database

_SQL = sql.load("merge.sql")

DUE_COUNT_MAX = 500
"""Packs that are read from the queue at a time."""
REACH_COUNT = 1_000
"""Instances before and behind those of a pack, in each of its series, whose packs are found."""
ROW_COUNT_MAX = 20_000
"""Rows that are read for one pack, at most."""


@dataclass(frozen=True, slots=True)
class SmallPack:
    """When a pack counts as small: below both."""

    bytes_max: int
    count_max: int


@dataclass(frozen=True, slots=True)
class DuePack:
    """A pack whose turn it is to be looked at."""

    pack_id: str
    is_small: bool


@dataclass(frozen=True, slots=True)
class RelatedPack:
    """A small pack; `length` in bytes."""

    pack_id: str
    length: int
    live_count: int


async def due_packs(database: Database, small: SmallPack, *, before: datetime) -> list[DuePack]:
    """Returns packs whose time in the queue is up to `before`, the first `DUE_COUNT_MAX`."""
    parameters = {**_limits(small), "before": before, "limit": DUE_COUNT_MAX}
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["due_packs"], parameters)
        return [DuePack(*row) for row in await cursor.fetchall()]


async def last_arrival(database: Database, pack_id: str) -> datetime | None:
    """Returns when the last instance came to any of a pack's series; None if it has no row."""
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["last_arrival"], {"pack_id": pack_id})
        row = await cursor.fetchone()
        return row[0] if row else None


async def related_packs(database: Database, small: SmallPack, pack_id: str) -> list[RelatedPack]:
    """Returns small packs that share a series with a pack, itself included, the oldest first."""
    parameters = {
        **_limits(small),
        "pack_id": pack_id,
        "reach": REACH_COUNT,
        "row_count_max": ROW_COUNT_MAX,
    }
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["related_packs"], parameters)
        return [RelatedPack(*row) for row in await cursor.fetchall()]


async def set_merge_at(
    database: Database, pack_ids: Sequence[str], merge_at: datetime | None
) -> None:
    """Puts packs back into the queue at a time; None takes them off."""
    parameters = {"pack_ids": list(pack_ids), "merge_at": merge_at}
    async with database.connection() as connection:
        await connection.execute(_SQL["set_merge_at"], parameters)


def _limits(small: SmallPack) -> dict[str, int]:
    return {"pack_bytes_max": small.bytes_max, "pack_count_max": small.count_max}
