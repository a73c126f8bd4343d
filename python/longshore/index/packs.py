"""What the index knows of packs, for the work in the background: known, claimed, dead, live."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from longshore.extent import Extent, pack_blob
from longshore.index import sql
from longshore.index.database import Database
from longshore.index.rows import as_unsigned

_SQL = sql.load("packs.sql")

DEAD_PACK_COUNT_MAX = 100
"""Dead packs that are read from the index at a time."""


@dataclass(frozen=True, slots=True)
class DeadPack:
    """A pack with dead entries; with nothing else if `live_count` is 0."""

    pack_id: str
    length: int
    live_count: int
    dead_since: datetime
    pack_key: int


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """An entry of a pack that has a row."""

    instance_key: int
    partition_name: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    pack_id: str
    payload: Extent
    segment: Extent
    segment_plain_length: int
    segment_crc32: int


async def known_packs(database: Database, pack_ids: Sequence[str]) -> set[str]:
    """Returns those of the packs that have a row, claims of the sweep left out."""
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["known_packs"], {"pack_ids": list(pack_ids)})
        return {row[0] for row in await cursor.fetchall()}


async def claim_for_sweep(database: Database, pack_id: str) -> bool:
    """Takes a pack without a row for forgotten; False if it has one by now.

    The claim stands for ever, so that a Store that is still under way fails whenever it ends. It
    may be made again: whoever made it may have stopped half-way.
    """
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["claim_for_sweep"], {"pack_id": pack_id})
        return await cursor.fetchone() is not None


async def forget_pack(database: Database, pack_id: str) -> None:
    """Removes the row of a pack whose blob is gone, unless it is a claim."""
    async with database.connection() as connection:
        await connection.execute(_SQL["forget_pack"], {"pack_id": pack_id})


async def dead_packs(
    database: Database, *, dead_before: datetime, behind: DeadPack | None = None
) -> list[DeadPack]:
    """Returns packs with something to give back, at most `DEAD_PACK_COUNT_MAX`, longest dead first.

    Args:
        dead_before: A pack with a live rest is returned if its first dead entry died before this,
            one without if its last did.
        behind: The last pack of the page before.
    """
    parameters = {
        "dead_before": dead_before,
        "dead_since": behind.dead_since if behind else datetime.min.replace(tzinfo=UTC),
        "pack_key": behind.pack_key if behind else 0,
        "limit": DEAD_PACK_COUNT_MAX,
    }
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["dead_packs"], parameters)
        return [DeadPack(*row) for row in await cursor.fetchall()]


async def live_entries(database: Database, pack_ids: Sequence[str]) -> list[LiveEntry]:
    """Returns the entries of n packs that have a row, by series and instance number."""
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["live_entries"], {"pack_ids": list(pack_ids)})
        rows = await cursor.fetchall()
    return [
        LiveEntry(
            *row[:6],
            payload=Extent(pack_blob(row[5]), row[6], row[7]),
            segment=Extent(pack_blob(row[5]), row[8], row[9]),
            segment_plain_length=row[10],
            segment_crc32=as_unsigned(row[11]),
        )
        for row in rows
    ]
