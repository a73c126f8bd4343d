"""Work in the background that one process at a time does, of however many there are."""

import contextlib
from collections.abc import AsyncGenerator

from longshore.index import sql
from longshore.index.database import Connection, Database
from longshore.index.locks import Lock

_SQL = sql.load("turns.sql")


@contextlib.asynccontextmanager
async def take_turn(database: Database, turn: Lock) -> AsyncGenerator[Connection | None]:
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
