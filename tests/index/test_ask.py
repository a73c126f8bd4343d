"""Questions that go together: none waits for another's fault, none is lost with a connection."""

import asyncio
import time

import psycopg
import pytest

from longshore.errors import Unavailable
from longshore.index import ask as questions
from longshore.index import database as index_database
from longshore.index import sql
from longshore.index.ask import LINE_COUNT_MAX, ask
from longshore.index.database import Database
from longshore.index.line import Line
from longshore.index.pipeline import Step

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    """The event loop that workers have, since it has ways of its own to tell of lost sockets."""
    return "asyncio", {"use_uvloop": True}


NEXT = sql.prepared("test_ask.next", "SELECT %(number)s::int + 1")
NAP = sql.prepared("test_ask.nap", "SELECT pg_sleep(%(seconds)s::float)::text")
LENGTH = sql.prepared("test_ask.length", "SELECT length(%(text)s::text)")
LONG = sql.prepared("test_ask.long", "SELECT repeat('x', %(number)s::int)")
PID = sql.prepared("test_ask.pid", "SELECT pg_backend_pid()")
WRONG = sql.prepared("test_ask.wrong", "SELECT nothing FROM nowhere")


def after(number: object) -> Step:
    return Step(NEXT, {"number": str(number)})


def nap(seconds: float) -> Step:
    return Step(NAP, {"seconds": str(seconds)})


@pytest.fixture
def trips(monkeypatch):
    """The number of questions in each round trip."""
    counts: list[int] = []
    send = Line.ask

    def counted(self, bound, tell):
        counts.append(len(bound))
        send(self, bound, tell)

    monkeypatch.setattr(Line, "ask", counted)
    return counts


@pytest.fixture
def never_late(monkeypatch):
    monkeypatch.setattr(questions, "LATE_S", 60.0)


async def asked(database: Database, *steps: Step):
    """The rows of each, or its error; all are asked before the event loop turns."""
    return await asyncio.gather(*(ask(database, step) for step in steps), return_exceptions=True)


async def until_asleep(rows, count: int = 1):
    asleep = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'PgSleep'"
    )
    async with asyncio.timeout(10):
        while len(found := rows(asleep)) < count:  # noqa: ASYNC110 - PostgreSQL sets no event
            await asyncio.sleep(0.005)
    return [pid for (pid,) in found]


async def test_those_who_ask_at_the_same_time_share_a_round_trip(database, trips):
    found = await asked(database, *map(after, range(10)))
    assert found == [[[str(number + 1).encode()]] for number in range(10)]
    assert await ask(database, after(1)) == [[b"2"]]
    assert trips == [10, 1]


async def test_who_asks_meanwhile_goes_with_the_next(database, rows, trips, never_late):
    first = ask(database, nap(0.3))
    await until_asleep(rows)
    assert await asked(database, *map(after, range(5))) == [
        [[str(number + 1).encode()]] for number in range(5)
    ]
    assert first.done()
    assert trips == [1, 5]


async def test_no_more_go_together_than_allowed(database, trips, never_late):
    found = await asked(database, *map(after, range(150)))
    assert found == [[[str(number + 1).encode()]] for number in range(150)]
    assert trips == [64, 64, 22]


async def test_nobody_waits_for_one_that_takes_long(database, rows):
    slow = ask(database, nap(30))
    await until_asleep(rows)
    async with asyncio.timeout(10):
        assert await ask(database, after(1)) == [[b"2"]]
    assert not slow.done()
    slow.cancel()


async def test_the_fault_of_one_is_not_that_of_others(database):
    found = await asked(
        database, after(1), after("x"), after(2), Step(WRONG), after("y"), Step(WRONG), after(3)
    )
    assert [found[at] for at in (0, 2, 6)] == [[[b"2"]], [[b"3"]], [[b"4"]]]
    bad_number, no_table = psycopg.errors.InvalidTextRepresentation, psycopg.errors.UndefinedTable
    assert [type(found[at]) for at in (1, 3, 4, 5)] == [bad_number, no_table, bad_number, no_table]
    # What was prepared behind a fault is not there, what was prepared before it is.
    assert await asked(database, Step(LENGTH, {"text": "abc"}), after(4)) == [[[b"3"]], [[b"5"]]]


async def test_a_statement_that_takes_too_long(dsn):
    database = await Database.open(dsn, connection_count_max=1, statement_timeout_ms=100)
    found = await asked(database, nap(30), after(1))
    assert isinstance(found[0], Unavailable)
    assert found[1] == [[b"2"]]
    await database.close()


async def test_long_questions_and_answers(database):
    length = 20_000_000
    found = await asked(
        database,
        Step(LENGTH, {"text": "x" * length}),
        Step(LONG, {"number": length}),
        after(1),
        Step(LENGTH, {"text": "y" * length}),
    )
    assert found == [[[b"20000000"]], [[b"x" * length]], [[b"2"]], [[b"20000000"]]]


async def test_a_connection_lost_under_way_is_made_again(database, rows):
    asleep = ask(database, nap(0.5))
    [pid] = await until_asleep(rows)
    rows("SELECT pg_terminate_backend(%s, 5000)", pid)
    assert await asleep == [[b""]]


async def test_a_connection_lost_with_unread_questions_is_made_again(database, rows):
    """PostgreSQL's last words come with an error of the socket, in one event."""
    asleep = ask(database, nap(0.5))
    more = ask(database, Step(LENGTH, {"text": "x" * 100_000}))
    [pid] = await until_asleep(rows)
    rows("SELECT pg_terminate_backend(%s, 5000)", pid)
    async with asyncio.timeout(10):
        assert [await asleep, await more] == [[[b""]], [[b"100000"]]]


async def test_a_question_that_costs_two_connections_is_given_up(database, rows):
    asleep = ask(database, nap(30))
    for _ in range(2):
        [pid] = await until_asleep(rows)
        rows("SELECT pg_terminate_backend(%s, 5000)", pid)
    with pytest.raises(Unavailable, match="again later"):
        await asleep
    assert await ask(database, after(1)) == [[b"2"]]


async def test_a_connection_lost_while_nobody_asks(database, rows):
    [[pid]] = await ask(database, Step(PID))
    rows("SELECT pg_terminate_backend(%s::int, 5000)", (pid or b"").decode())
    # At once, before the event loop has seen it, and behind that.
    assert await ask(database, after(1)) == [[b"2"]]
    [[pid]] = await ask(database, Step(PID))
    rows("SELECT pg_terminate_backend(%s::int, 5000)", (pid or b"").decode())
    await asyncio.sleep(0.1)
    assert await ask(database, after(1)) == [[b"2"]]


async def test_several_connections_lost_while_nobody_asks(database, rows):
    """As a restart has it; none of them costs a question its try."""
    slow = [ask(database, nap(0.3))]
    await until_asleep(rows)
    slow.append(ask(database, nap(0.3)))
    await until_asleep(rows, 2)
    slow.append(ask(database, nap(0.3)))
    await asyncio.gather(*slow)
    ended = rows(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert len(ended) >= 3
    assert await ask(database, after(1)) == [[b"2"]]


async def test_what_cannot_be_sent_is_the_error_of_who_asks(database):
    with pytest.raises(UnicodeEncodeError):
        await ask(database, Step(LENGTH, {"text": "\ud800"}))
    assert await ask(database, after(1)) == [[b"2"]]


async def test_no_server(monkeypatch):
    monkeypatch.setattr(index_database, "WAIT_S_MAX", 0.2)
    database = await Database.open(
        "postgresql:///?host=/nowhere", connection_count_max=1, statement_timeout_ms=1_000
    )
    found = await asked(database, after(1), after(2))
    assert [type(each) for each in found] == [Unavailable] * 2
    with pytest.raises(Unavailable):
        await ask(database, after(3))
    await database.close()


async def test_a_new_connection_that_breaks_at_once_stops_nobody_else(database, monkeypatch):
    """Too short a moment to be caused from outside."""

    def broken(connection, on_lost):
        connection.pgconn.finish()
        return Line(connection, on_lost)

    with monkeypatch.context() as patch:
        patch.setattr(questions, "Line", broken)
        with pytest.raises(Unavailable):
            await ask(database, after(1))
    assert await ask(database, after(1)) == [[b"2"]]


async def test_who_goes_away_takes_nobody_along(database, rows, never_late):
    slow = ask(database, nap(0.2))
    await until_asleep(rows)
    waiting = [ask(database, after(number)) for number in range(3)]
    slow.cancel()
    waiting[1].cancel()
    assert [await waiting[0], await waiting[2]] == [[[b"1"]], [[b"3"]]]


async def test_a_crowd_is_told_to_come_again(database, rows, monkeypatch, never_late):
    monkeypatch.setattr(questions, "WAITING_COUNT_MAX", 3)
    slow = ask(database, nap(0.2))
    await until_asleep(rows)
    found = await asked(database, *map(after, range(5)))
    assert found[:3] == [[[b"1"]], [[b"2"]], [[b"3"]]]
    assert [type(each) for each in found[3:]] == [Unavailable] * 2
    await slow


async def test_the_first_of_many_slow_ones_that_ends_lets_others_go(database, rows):
    slow = []
    for number in range(LINE_COUNT_MAX):
        slow.append(ask(database, nap(30 if number else 0.5)))
        await until_asleep(rows, number + 1)
    assert await ask(database, after(1)) == [[b"2"]]
    assert [each.done() for each in slow] == [True, False, False, False]


async def test_where_all_are_slow_nobody_waits_for_ever(database, rows, monkeypatch):
    monkeypatch.setattr(questions, "WAIT_S_MAX", 0.2)
    for number in range(LINE_COUNT_MAX):
        ask(database, nap(30))
        await until_asleep(rows, number + 1)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await ask(database, after(1))
    assert time.monotonic() - began < 10


async def test_who_still_waits_at_the_end_is_told_so(dsn, rows):
    database = await Database.open(dsn, connection_count_max=1, statement_timeout_ms=60_000)
    slow = ask(database, nap(30))
    await until_asleep(rows)
    await database.close()
    with pytest.raises(Unavailable):
        await slow
