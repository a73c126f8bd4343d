import asyncio

import psycopg
import pytest

from longshore.errors import Unavailable
from longshore.index import sql
from longshore.index.database import Database
from longshore.index.pipeline import Step, query, run

pytestmark = pytest.mark.anyio

ONE = sql.prepared("test_pipeline_query.one", "SELECT %(number)s::int + 1")
NAP = sql.prepared("test_pipeline_query.nap", "SELECT pg_sleep(%(seconds)s::float)::text")
TWO = sql.prepared("test_pipeline_query.two", "SELECT %(number)s::int + 2")


async def test_a_statement_that_was_forgotten_is_prepared_again(database: Database) -> None:
    async with database.connection() as connection:
        assert await query(connection, Step(ONE, {"number": 1})) == [[b"2"]]
        await connection.execute("DEALLOCATE ALL")
        assert await query(connection, Step(ONE, {"number": 2})) == [[b"3"]]
        assert await query(connection, Step(ONE, {"number": 3})) == [[b"4"]]


async def test_some_were_forgotten_and_others_were_not(database: Database) -> None:
    async with database.connection() as connection:
        await query(connection, Step(ONE, {"number": 1}))
        await connection.execute("DEALLOCATE ALL")
        # Prepared behind that, and so still there when it shows that the first one is not.
        for _ in range(2):
            assert await query(connection, Step(TWO, {"number": 2})) == [[b"4"]]
            assert await query(connection, Step(ONE, {"number": 2})) == [[b"3"]]
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            await run(connection, [Step(TWO, {"number": "x"}), Step(ONE, {"number": 1})])
        assert await query(connection, Step(TWO, {"number": 3})) == [[b"5"]]


async def test_other_errors_come_through_and_leave_the_connection_usable(
    database: Database,
) -> None:
    async with database.connection() as connection:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            await query(connection, Step(ONE, {"number": "x"}))
        assert await query(connection, Step(ONE, {"number": 1})) == [[b"2"]]


@pytest.mark.parametrize("is_known", [False, True])
async def test_a_lost_connection_is_an_error_of_postgresql(
    database: Database, dsn: str, is_known: bool
) -> None:
    """Both ways of a query, before it is prepared on the connection and behind that."""
    pids: list[int] = []

    async def ask() -> None:
        async with database.connection() as connection:
            pids.append(connection.info.backend_pid)
            if is_known:
                await query(connection, Step(NAP, {"seconds": "0"}))
            await query(connection, Step(NAP, {"seconds": "30"}))

    asked = asyncio.create_task(ask())
    with psycopg.connect(dsn, autocommit=True) as other:
        running = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        while not pids or not other.execute(running, pids).fetchall():  # noqa: ASYNC110 - PostgreSQL sets no event
            await asyncio.sleep(0.01)
        other.execute("SELECT pg_terminate_backend(%s)", pids)
    with pytest.raises(Unavailable):
        await asked
