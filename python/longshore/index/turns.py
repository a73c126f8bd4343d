"""Turns: work in the background that one process at a time does, out of all that share an index."""

import contextlib
from collections.abc import AsyncGenerator

from longshore.index import sql
from longshore.index.database import Connection, Database

_SQL = sql.load("turns.sql")

RECLAIM = 0x10_6E_55_09
WEBHOOK = 0x10_6E_55_0A
"""Numbers that nobody else uses for an advisory lock in this database."""


@contextlib.asynccontextmanager
async def turn(database: Database, lock: int) -> AsyncGenerator[Connection | None]:
    """Yields to one process at a time; to the others None: they have nothing to do.

    What is yielded is the connection that holds the turn. When it is lost, so is the turn; who must
    know that runs a statement on it.
    """
    async with database.connection() as connection:
        row = await (await connection.execute(_SQL["take_turn"], {"lock": lock})).fetchone()
        if row is None or not row[0]:
            yield None
            return
        try:
            yield connection
        finally:
            await connection.execute(_SQL["end_turn"], {"lock": lock})
