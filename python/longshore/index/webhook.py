"""How far the webhook has told the change feed: one row, moved when events were delivered."""

import contextlib
from collections.abc import AsyncGenerator

from longshore.errors import Conflict
from longshore.index import sql
from longshore.index.database import Connection, Database
from longshore.index.locks import Lock
from longshore.index.turns import take_turn

_SQL = sql.load("webhook.sql")


async def begin(database: Database) -> None:
    """Sets the position to the end of the feed; does nothing if the webhook was on before."""
    async with database.connection() as connection:
        await connection.execute(_SQL["begin"])


class WebhookTurn:
    """The right to deliver. All of it fails when its connection, and so the right, is lost."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def position(self) -> int:
        """Returns the watermark of the last change that was delivered."""
        row = await (await self._connection.execute(_SQL["position"])).fetchone()
        return 0 if row is None else row[0]

    async def move(self, *, start: int, end: int) -> None:
        """Moves the position from one watermark to a higher one.

        Raises:
            Conflict: It is not at `start`: someone else delivers, too.
        """
        parameters = {"from": start, "to": end}
        cursor = await self._connection.execute(_SQL["move"], parameters)
        if await cursor.fetchone() is None:
            raise Conflict("another process delivers the webhook's events")


@contextlib.asynccontextmanager
async def webhook_turn(database: Database) -> AsyncGenerator[WebhookTurn | None]:
    """Yields to one process at a time, for as long as it likes; to the others None.

    Raises:
        Unavailable: PostgreSQL does not answer, or the turn's connection was lost.
    """
    async with take_turn(database, Lock.WEBHOOK) as connection:
        yield None if connection is None else WebhookTurn(connection)
