"""Work in the background that one process at a time does, of however many there are."""

import contextlib
from collections.abc import AsyncGenerator
from enum import IntEnum

from longshore.index import sql
from longshore.index.database import Connection, Database

_SQL = sql.load("turns.sql")


class Turn(IntEnum):
    """Which work; any numbers that nobody else uses for advisory locks in this database."""

    RECLAIM = 0x10_6E_55_09
    EXPIRE = 0x10_6E_55_0A
    WEBHOOK = 0x10_6E_55_0B


@contextlib.asynccontextmanager
async def take_turn(database: Database, turn: Turn) -> AsyncGenerator[Connection | None]:
    """Yields to one process at a time; to the others None: they have nothing to do.

    What is yielded is the connection that holds the turn. When it is lost, so is the turn; who must
    know that runs a statement on it.
    """
    async with database.connection() as connection:
        lock = {"lock": int(turn)}
        row = await (await connection.execute(_SQL["take_turn"], lock)).fetchone()
        if row is None or not row[0]:
            yield None
            return
        try:
            yield connection
        finally:
            await connection.execute(_SQL["end_turn"], lock)
