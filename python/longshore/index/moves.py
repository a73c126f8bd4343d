"""The move transaction: instances lie in another pack from one moment to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import errors as sql_errors

from longshore.errors import Conflict
from longshore.index import sql
from longshore.index.database import Connection, Database, retried

_SQL = sql.load("moves.sql")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance lies in the pack it moves to, in bytes."""

    instance_key: int
    payload_offset: int
    segment_offset: int


@dataclass(frozen=True, slots=True)
class Move:
    """Entries of old packs that were copied to a new, durable one.

    Attributes:
        length: Bytes of the new pack.
        entry_count: Entries of the new pack, those included that shall get no row.
        dead_at: From when on the old packs count as dead, unless something died in them later.
    """

    old_pack_ids: Sequence[str]
    new_pack_id: str
    length: int
    entry_count: int
    dead_at: datetime


async def move_entries(database: Database, move: Move, places: Sequence[Place]) -> set[int]:
    """Moves the rows of n entries, all of them or none.

    None if one was deleted in the meantime: its copy must be noted as dead before the move is seen,
    since nobody else knows of it. Note it, and move the others. The old packs are dead as a whole
    behind a move, and stay a while: a reader may have located them.

    Returns:
        The keys of deleted instances; empty if all entries were moved.

    Raises:
        Conflict: The sweep took the new pack for forgotten, or someone else moved an entry. Forget
            the new pack.
        Unavailable: As for `store_batch`.
    """
    try:
        async with database.connection() as connection:
            return await retried(lambda: _transact(connection, move, places))
    except sql_errors.UniqueViolation as error:
        msg = f"pack {move.new_pack_id} was swept; copy its entries again"
        raise Conflict(msg) from error


async def _transact(connection: Connection, move: Move, places: Sequence[Place]) -> set[int]:
    parameters: dict[str, Any] = {
        "old_pack_ids": list(move.old_pack_ids),
        "new_pack_id": move.new_pack_id,
        "pack_length": move.length,
        "entry_count": move.entry_count,
        "dead_at": move.dead_at,
        "instance_keys": [place.instance_key for place in places],
        "payload_offsets": [place.payload_offset for place in places],
        "segment_offsets": [place.segment_offset for place in places],
    }
    async with connection.transaction():
        await connection.execute(_SQL["keep_studies"], parameters)
        cursor = await connection.execute(_SQL["lock_packs"], parameters)
        old_pack_keys = [row[0] for row in await cursor.fetchall()]
        cursor = await connection.execute(_SQL["find_moving"], parameters)
        found = dict(await cursor.fetchall())
        gone = {place.instance_key for place in places} - found.keys()
        if gone:
            return gone
        if not set(found.values()) <= set(old_pack_keys):
            msg = f"entries were moved elsewhere while they were copied to {move.new_pack_id}"
            raise Conflict(msg)
        parameters["old_pack_keys"] = old_pack_keys
        cursor = await connection.execute(_SQL["insert_moved_pack"], parameters)
        (parameters["new_pack_key"],) = await cursor.fetchone() or (None,)
        await connection.execute(_SQL["move_entries"], parameters)
        await connection.execute(_SQL["count_moved"], parameters)
        return set()
