"""Work in the background that one process at a time does, of however many there are."""

import contextlib
from collections.abc import AsyncGenerator
from enum import IntEnum

from longshore.index import sql
from longshore.index.database import Database

_SQL = sql.load("turns.sql")


class Turn(IntEnum):
    """Which work; any numbers that nobody else uses for advisory locks in this database."""

    RECLAIM = 0x10_6E_55_09
    EXPIRE = 0x10_6E_55_0A


@contextlib.asynccontextmanager
async def take_turn(database: Database, turn: Turn) -> AsyncGenerator[bool]:
    """Yields True to one process at a time; the others have nothing to do."""
    async with database.connection() as connection:
        lock = {"lock": int(turn)}
        row = await (await connection.execute(_SQL["take_turn"], lock)).fetchone()
        is_ours = row is not None and row[0]
        try:
            yield is_ours
        finally:
            if is_ours:
                await connection.execute(_SQL["end_turn"], lock)
