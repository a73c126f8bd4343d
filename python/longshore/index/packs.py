"""What the index knows of packs, for the work in the background."""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import errors as sql_errors

from longshore.errors import Conflict
from longshore.extent import Extent, pack_blob
from longshore.index import sql
from longshore.index.database import Connection, Database, retried
from longshore.index.rows import as_unsigned

_SQL = sql.load("packs.sql")

DEAD_PACK_COUNT_MAX = 100
"""Dead packs that are looked at in one round."""


@dataclass(frozen=True, slots=True)
class DeadPack:
    """A pack with dead entries; with nothing else if `live_count` is 0."""

    pack_id: str
    length: int
    live_count: int


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """An entry of a pack that has a row."""

    instance_key: int
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    payload: Extent
    segment: Extent
    segment_plain_length: int
    segment_crc32: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance lies in the pack it moves to, in bytes."""

    instance_key: int
    payload_offset: int
    segment_offset: int


_TURN = 0x10_6E_55_09
"""Any number that nobody else uses for an advisory lock in this database."""


@contextlib.asynccontextmanager
async def reclaim_turn(database: Database) -> AsyncGenerator[bool]:
    """Yields True to one process at a time; the others have nothing to do."""
    async with database.connection() as connection:
        row = await (await connection.execute(_SQL["take_turn"], {"lock": _TURN})).fetchone()
        is_ours = row is not None and row[0]
        try:
            yield is_ours
        finally:
            if is_ours:
                await connection.execute(_SQL["end_turn"], {"lock": _TURN})


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


async def dead_packs(database: Database, *, dead_before: datetime) -> list[DeadPack]:
    """Returns packs whose last dead entry died before a time, at most `DEAD_PACK_COUNT_MAX`."""
    parameters = {"dead_before": dead_before, "limit": DEAD_PACK_COUNT_MAX}
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["dead_packs"], parameters)
        return [DeadPack(*row) for row in await cursor.fetchall()]


async def live_entries(database: Database, pack_id: str) -> list[LiveEntry]:
    """Returns a pack's entries that have a row, in pack order."""
    blob = pack_blob(pack_id)
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["live_entries"], {"pack_id": pack_id})
        return [
            LiveEntry(
                *row[:4],
                payload=Extent(blob, row[4], row[5]),
                segment=Extent(blob, row[6], row[7]),
                segment_plain_length=row[8],
                segment_crc32=as_unsigned(row[9]),
            )
            for row in await cursor.fetchall()
        ]


async def move_entries(
    database: Database,
    *,
    old_pack_id: str,
    new_pack_id: str,
    length: int,
    places: Sequence[Place],
    dead_at: datetime,
) -> int:
    """Moves the rows of entries that were copied to a new, durable pack; returns how many.

    What was deleted in the meantime stays deleted. The old pack is then dead as a whole and waits
    its time: a reader may have located it.

    Args:
        length: Bytes of the new pack.
        places: n entries. If none is moved, the new pack may have no row, and its blob is swept.
        dead_at: From when on the old pack counts as dead.

    Raises:
        Conflict: The sweep took the new pack for forgotten. Copy the entries again.
        Unavailable: As for `store_batch`.
    """
    if not places:
        return 0
    old = {"pack_id": old_pack_id, "dead_at": dead_at}
    new = {"pack_id": new_pack_id, "pack_length": length, "entry_count": len(places)}
    try:
        async with database.connection() as connection:
            return await retried(lambda: _move(connection, old, new, places))
    except sql_errors.UniqueViolation as error:
        msg = f"pack {new_pack_id} was swept; copy its entries again"
        raise Conflict(msg) from error


async def _move(
    connection: Connection, old: Mapping[str, Any], new: Mapping[str, Any], places: Sequence[Place]
) -> int:
    moved = {
        "instance_keys": [place.instance_key for place in places],
        "payload_offsets": [place.payload_offset for place in places],
        "segment_offsets": [place.segment_offset for place in places],
    }
    async with connection.transaction():
        await connection.execute(_SQL["keep_studies"], moved)
        old_row = await (await connection.execute(_SQL["lock_pack"], old)).fetchone()
        if old_row is None:
            return 0
        cursor = await connection.execute(_SQL["insert_moved_pack"], new)
        (new_key,) = await cursor.fetchone() or (None,)
        pack_keys = {"old_pack_key": old_row[0], "new_pack_key": new_key}
        cursor = await connection.execute(_SQL["move_entries"], moved | pack_keys)
        await connection.execute(_SQL["count_moved"], {**old, **pack_keys})
        return cursor.rowcount
