"""Advisory locks: no work in the background keeps another's turn, and Stores keep nobody's."""

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
