"""Studies that were stored for a time only, and whose time is over."""

from typing import NamedTuple

from longshore.index import sql
from longshore.index.database import Database

_SQL = sql.load("expiry.sql")


class DueStudy(NamedTuple):
    """A study to delete."""

    partition_key: int
    study_uid: str


async def due_studies(database: Database, *, limit: int) -> list[DueStudy]:
    """Returns studies whose time is over, at most `limit`. A Store may give them more meanwhile."""
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["due_studies"], {"limit": limit})
        return [DueStudy(*row) for row in await cursor.fetchall()]
