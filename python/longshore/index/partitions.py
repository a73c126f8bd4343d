"""Partitions by name: found, added, listed. None is ever renamed or removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from longshore.dicom import DEFAULT_PARTITION_KEY, Partition
from longshore.errors import Unavailable
from longshore.index import sql
from longshore.index.database import Database

_SQL = sql.load("partitions.sql")


@dataclass(frozen=True, slots=True)
class ListedPartition:
    """A partition, and since when it is there (UTC)."""

    partition: Partition
    created_at: datetime


async def find_partition(database: Database, name: str) -> Partition | None:
    """Returns the partition of that name; names differ by case, too."""
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["find_partition"], {"partition_name": name})
        row = await cursor.fetchone()
    return None if row is None else Partition(row[0], name)


async def ensure_partition(database: Database, name: str) -> Partition:
    """Returns the partition of that name; adds it if there is none.

    Looks first: a name that is there already shall use up no key.
    """
    while (found := await find_partition(database, name)) is None:
        async with database.connection() as connection:
            await connection.execute(_SQL["add_partition"], {"partition_name": name})
    return found


async def list_partitions(database: Database) -> Sequence[ListedPartition]:
    """Returns all partitions, oldest first; the default one is always there."""
    async with database.connection() as connection:
        rows = await (await connection.execute(_SQL["list_partitions"])).fetchall()
    return [ListedPartition(Partition(key, name), created_at) for key, name, created_at in rows]


def has_other_partitions(dsn: str) -> bool:
    """True if there are partitions besides the default one; for the start, before any worker.

    Raises:
        Unavailable: The database does not answer.
    """
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            row = connection.execute(
                _SQL["has_other_partitions"], {"default_key": DEFAULT_PARTITION_KEY}
            ).fetchone()
    except psycopg.OperationalError as error:
        msg = "the database does not answer; check --database and that PostgreSQL runs"
        raise Unavailable(msg) from error
    return row is not None and row[0]
