"""An index of its own for each test."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from longshore.index.database import Database

CONNECTION_COUNT_MAX = 12
STATEMENT_TIMEOUT_MS = 20_000


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(
        dsn, connection_count_max=CONNECTION_COUNT_MAX, statement_timeout_ms=STATEMENT_TIMEOUT_MS
    )
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
