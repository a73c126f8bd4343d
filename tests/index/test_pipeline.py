import psycopg
import pytest

from longshore.index import sql
from longshore.index.database import Database
from longshore.index.pipeline import Step, run

pytestmark = pytest.mark.anyio

ONE = sql.prepared("test_pipeline.one", "SELECT %(number)s::int + 1")
TWO = sql.prepared("test_pipeline.two", "SELECT %(number)s::int + 2")


async def test_a_statement_that_was_forgotten_is_prepared_again(database: Database) -> None:
    async with database.connection() as connection:
        assert await run(connection, [Step(ONE, {"number": 1})]) == [[[b"2"]]]
        await connection.execute("DEALLOCATE ALL")
        # Prepared behind that, and so still there when it shows that the first one is not.
        assert await run(connection, [Step(TWO, {"number": 1})]) == [[[b"3"]]]
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            await run(connection, [Step(ONE, {"number": 2})])
        both = [Step(ONE, {"number": 2}), Step(TWO, {"number": 2})]
        assert await run(connection, both) == [[[b"3"]], [[b"4"]]]


async def test_an_error_leaves_the_connection_usable(database: Database) -> None:
    async with database.connection() as connection:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            await run(connection, [Step(TWO, {"number": "x"}), Step(ONE, {"number": 1})])
        assert await run(connection, [Step(ONE, {"number": 1})]) == [[[b"2"]]]
