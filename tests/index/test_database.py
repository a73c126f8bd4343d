"""The rim: connections that break, and what the layers above see of it."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from longshore.embedded.server import running
from longshore.errors import Unavailable
from longshore.index import database as index_database
from longshore.index.changes import latest
from longshore.index.database import Database
from longshore.index.locate import locate
from longshore.index.migrate import migrate
from tests.index.batches import instance, store

pytestmark = pytest.mark.anyio


async def open_database(dsn: str, *, connection_count_max=4, statement_timeout_ms=20_000):
    return await Database.open(
        dsn, connection_count_max=connection_count_max, statement_timeout_ms=statement_timeout_ms
    )


async def test_a_restart_between_two_calls():
    with tempfile.TemporaryDirectory(prefix="longshore-tests-") as name:
        folder = Path(name) / "postgres"
        with running(folder, connection_count_max=20) as server:
            migrate(server.dsn)
            database = await open_database(server.dsn)
            # Several connections, all of them lost.
            await asyncio.gather(*[store(database, instance(f"1/1/{n}")) for n in range(6)])
        with running(folder, connection_count_max=20) as server:
            for _ in range(4):
                assert len(await locate(database, partition_key=1, study_uid="1")) == 6
            assert await store(database, instance("1/1/7")) == [True]
            await database.close()


async def test_connections_that_the_server_ended(database, rows):
    await asyncio.gather(*[store(database, instance(f"1/1/{n}")) for n in range(6)])
    end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <>"
    ended = rows(f"{end} pg_backend_pid() AND datname = current_database()")
    assert len(ended) > 1
    stored = await asyncio.gather(*[store(database, instance(f"1/2/{n}")) for n in range(6)])
    assert stored == [[True]] * 6


async def test_a_connection_lost_under_way(database, rows):
    async def lose_it():
        async with database.connection() as connection:
            rows("SELECT pg_terminate_backend(%s, 5000)", connection.info.backend_pid)
            await connection.execute("SELECT 1")

    with pytest.raises(Unavailable, match="again later"):
        await lose_it()
    await database.check()


async def test_no_server(monkeypatch):
    monkeypatch.setattr(index_database, "WAIT_S_MAX", 0.2)
    database = await open_database("postgresql:///?host=/nowhere")
    for call in (database.check(), latest(database), store(database, instance("1/1/1"))):
        with pytest.raises(Unavailable):
            await call
    await database.close()


async def test_a_statement_that_takes_too_long(dsn):
    database = await open_database(dsn, statement_timeout_ms=50)
    with pytest.raises(Unavailable):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep(5)")
    await database.check()
    await database.close()


async def test_no_more_connections_than_allowed(dsn, rows, monkeypatch):
    monkeypatch.setattr(index_database, "WAIT_S_MAX", 0.2)
    database = await open_database(dsn, connection_count_max=2)
    async with database.connection(), database.connection():
        with pytest.raises(Unavailable):
            await database.check()
    await database.check()
    await database.close()


async def test_waiting_is_bounded(dsn, monkeypatch):
    monkeypatch.setattr(index_database, "WAITING_COUNT_MAX", 1)
    database = await open_database(dsn, connection_count_max=1)
    async with database.connection():
        waiting = asyncio.create_task(database.check())
        await asyncio.sleep(0.05)
        async with asyncio.timeout(1):
            with pytest.raises(Unavailable):
                await database.check()
    await waiting
    await database.close()


async def test_a_read_only_server_is_unavailable(dsn, rows):
    ((name,),) = rows("SELECT current_database()")
    rows(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    fresh = await open_database(dsn)
    with pytest.raises(Unavailable):
        await store(fresh, instance("1/1/1"))
    await fresh.close()
