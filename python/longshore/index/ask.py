"""Questions to the index that come at the same time, in one round trip.

A question by itself takes a packet and two changes of process, which cost more than to find a row.
One that comes while another is under way waits for that other's answer, and then goes together with
all that came meanwhile. There is no timer to wait for: one that comes alone goes at once. No answer
is older than its question.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import psycopg

from longshore.errors import Unavailable
from longshore.index.database import (
    NO_ANSWER,
    UNAVAILABLE,
    WAIT_S_MAX,
    WAITING_COUNT_MAX,
    Database,
)
from longshore.index.line import Line, Outcome
from longshore.index.pipeline import Rows, Step, bound
from longshore.index.sql import Statement

TOGETHER_MAX: Final = 64
"""Questions in one round trip."""
LATE_S: Final = 0.01
"""How long others wait for a round trip before they go without it, in seconds."""
LINE_COUNT_MAX: Final = 4
"""Connections of one process for them: round trips at a time, all but one of them late."""
LOSSES_MAX: Final = 1
"""Connections that may be lost while a question is under way there; then it is given up."""


@dataclass(slots=True, eq=False)
class _Question:
    """What was asked, and who waits for it."""

    statement: Statement
    values: Sequence[bytes]
    answer: asyncio.Future[Rows]
    loss_count: int = 0


@dataclass(frozen=True, slots=True)
class _Trip:
    """One round trip, and what lets others go without it."""

    asked: Sequence[_Question]
    late: asyncio.TimerHandle


def ask(database: Database, step: Step) -> asyncio.Future[Rows]:
    """Returns the rows of a statement that only reads.

    Raises:
        Unavailable: PostgreSQL does not answer, or gave up on the statement; or too many wait.
        psycopg.Error: Any other error of the statement.
    """
    questions = _questions.get(database)
    if questions is None:
        questions = _questions[database] = _Questions(database)
        database.closing.callback(_questions.pop, database)
        database.closing.callback(questions.close)
    return questions.ask(step)


class _Questions:
    """Those of one process that wait, and the lines on which others are under way."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Question] = []
        self._idle: list[Line] = []
        self._under_way: dict[Line, _Trip] = {}
        self._connecting: asyncio.Task[None] | None = None
        # Those who ask need do nothing: a round trip is about to begin, or under way and not late.
        self._is_awaited = False

    def ask(self, step: Step) -> asyncio.Future[Rows]:
        loop = asyncio.get_running_loop()
        # Bound here: what cannot be sent is the asker's error alone.
        question = _Question(step.statement, bound(step), loop.create_future())
        if len(self._waiting) >= WAITING_COUNT_MAX:
            question.answer.set_exception(Unavailable(NO_ANSWER))
            return question.answer
        self._waiting.append(question)
        if not self._is_awaited:
            self._is_awaited = True
            # Others who ask before the loop turns come along.
            loop.call_soon(self._go)
        return question.answer

    def close(self) -> None:
        """Ends the lines; whoever still waits is told so."""
        if self._connecting is not None:
            self._connecting.cancel()
        for line, trip in self._under_way.items():
            trip.late.cancel()
            line.close()
            _fail(trip.asked, Unavailable(NO_ANSWER))
        for line in self._idle:
            line.close()
        _fail(self._waiting, Unavailable(NO_ANSWER))

    def _go(self) -> None:
        """Lets those who wait go, if there is a line for them."""
        self._waiting = [each for each in self._waiting if not each.answer.done()]
        self._is_awaited = bool(self._waiting)
        if not self._waiting:
            return
        if self._idle:
            self._send(self._idle.pop())
        elif self._connecting is None and len(self._under_way) < LINE_COUNT_MAX:
            self._connecting = asyncio.create_task(self._connect())
        elif self._connecting is None:
            # The first line that answers takes them.
            asyncio.get_running_loop().call_later(WAIT_S_MAX, self._give_up, self._waiting)

    def _send(self, line: Line) -> None:
        asked, self._waiting = self._waiting[:TOGETHER_MAX], self._waiting[TOGETHER_MAX:]
        late = asyncio.get_running_loop().call_later(LATE_S, self._go)
        self._under_way[line] = _Trip(asked, late)
        line.ask([(each.statement, each.values) for each in asked], partial(self._told, line))

    def _told(self, line: Line, outcomes: Sequence[Outcome]) -> None:
        trip = self._under_way.pop(line)
        trip.late.cancel()
        self._idle.append(line)
        again: list[_Question] = []
        for question, outcome in zip(trip.asked, outcomes, strict=True):
            if outcome is None:
                again.append(question)
            elif isinstance(outcome, psycopg.Error):
                _fail([question], outcome)
            elif not question.answer.done():
                question.answer.set_result(outcome)
        self._waiting = [*again, *self._waiting]
        self._go()

    def _lost(self, line: Line) -> None:
        # The others mostly are, too, and would each cost a question its try.
        while self._idle:
            self._idle.pop().close()
        trip = self._under_way.pop(line, None)
        if trip is None:
            return
        trip.late.cancel()
        for question in trip.asked:
            question.loss_count += 1
        _fail([each for each in trip.asked if each.loss_count > LOSSES_MAX], Unavailable(NO_ANSWER))
        self._waiting = [*trip.asked, *self._waiting]
        self._go()

    def _give_up(self, waiting: Sequence[_Question]) -> None:
        _fail(waiting, Unavailable(NO_ANSWER))
        self._go()

    async def _connect(self) -> None:
        try:
            self._idle.append(Line(await self._database.connect(), self._lost))
        except Exception as error:
            _fail(self._waiting, error)
        self._connecting = None
        self._go()


def _fail(questions: Sequence[_Question], error: Exception) -> None:
    if isinstance(error, UNAVAILABLE):
        error = Unavailable(NO_ANSWER)
    for each in questions:
        if not each.answer.done():
            each.answer.set_exception(error)


# Until a database is closed.
_questions: dict[Database, _Questions] = {}
