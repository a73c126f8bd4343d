"""Work in the background that one process at a time does, of however many there are."""

import contextlib
from collections.abc import AsyncGenerator

import psycopg

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
        cursor = await connection.execute(_SQL["take_turn"], {"lock": int(turn)})
        row = await cursor.fetchone()
        if row is None or not row[0]:
            yield None
            return
        try:
            yield connection
        finally:
            await _end(connection, turn)


async def _end(connection: Connection, turn: Lock) -> None:
    """Ends the turn on its connection, or with it.

    An error here would take the place of the one, or of the stop, that ended the block. A lost
    connection holds no turn, and one that is closed for any other reason neither.
    """
    with contextlib.suppress(psycopg.Error):
        try:
            await connection.execute(_SQL["end_turn"], {"lock": int(turn)})
        except BaseException:
            await connection.close()
            raise
