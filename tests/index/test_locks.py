"""Advisory locks: no work in the background keeps another's turn, and Stores keep nobody's."""

import contextlib
from collections.abc import Callable

import psycopg
import pytest

from longshore.index.database import Database
from longshore.index.locks import Lock
from longshore.index.turns import take_turn

pytestmark = pytest.mark.anyio

TURNS = [Lock.RECLAIM, Lock.EXPIRE, Lock.WEBHOOK, Lock.REINDEX]


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.name.lower())
async def test_a_turn_is_one_processes_whatever_others_do(database: Database, turn: Lock) -> None:
    async with database.connection() as storing, storing.transaction():
        await storing.execute("SELECT pg_advisory_xact_lock_shared(%s)", [int(Lock.STORES)])
        async with take_turn(database, turn) as first:
            assert first is not None
            for other in TURNS:
                async with take_turn(database, other) as second:
                    assert (second is None) == (other is turn)


class Stop(Exception):
    """What ends the work of a turn."""


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.name.lower())
async def test_who_stops_with_its_connection_lost_hides_no_stop(
    database: Database, rows: Callable[..., object], turn: Lock
) -> None:
    async def lose_it() -> None:
        async with take_turn(database, turn) as connection:
            assert connection is not None
            rows("SELECT pg_terminate_backend(%s, 5000)", connection.info.backend_pid)
            raise Stop

    with pytest.raises(Stop):
        await lose_it()
    async with take_turn(database, turn) as next_one:
        assert next_one is not None


async def test_a_turn_that_cannot_be_ended_ends_with_its_connection(database: Database) -> None:
    async def spoil_it() -> None:
        async with take_turn(database, Lock.EXPIRE) as connection:
            assert connection is not None
            await connection.execute("BEGIN")
            with contextlib.suppress(psycopg.Error):
                await connection.execute("SELECT 1 / 0")
            raise Stop

    with pytest.raises(Stop):
        await spoil_it()
    async with take_turn(database, Lock.EXPIRE) as next_one:
        assert next_one is not None
