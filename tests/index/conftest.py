"""An index of its own for each test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from longshore.index.database import Database

CONNECTION_COUNT_MAX = 12
STATEMENT_TIMEOUT_MS = 20_000


async def open_database(dsn: str) -> Database:
    return await Database.open(
        dsn, connection_count_max=CONNECTION_COUNT_MAX, statement_timeout_ms=STATEMENT_TIMEOUT_MS
    )


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = await open_database(dsn)
    yield database
    await database.close()


@pytest.fixture
def rows(dsn: str):
    """Runs a statement beside the service's own connections and returns its rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:

        def run(statement, *parameters):
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture
def alone(dsn: str, rows):
    """Closes an index and lends a fresh one: what PostgreSQL counts within is that one's doing.

    A session tells the statistics what it did when it ends, at the latest.
    """

    async def until_others_are_gone():
        others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <>"
        async with asyncio.timeout(10):
            while rows(f"{others} pg_backend_pid()"):  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def lend(used: Database):
        await used.close()
        await until_others_are_gone()
        fresh = await open_database(dsn)
        yield fresh
        await fresh.close()
        await until_others_are_gone()

    return lend


@pytest.fixture
def settled(rows):
    """Reads a number of PostgreSQL's statistics once it stands still.

    Sessions tell what they read up to a second after they are done.
    """

    async def read(statement: str) -> int:
        last = None
        while True:
            ((count,),) = rows(statement)
            if count == last:
                return count
            last = count
            await asyncio.sleep(1.2)

    return read
