"""Prepared statements in one round trip: all are sent, then all answers are read.

psycopg's own pipeline waits for the socket before each statement, and adapts each parameter; of a
Store that is most of the time between its pack and its commit. This is the same protocol, one level
lower: psycopg's `pq` and `generators`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from psycopg import errors as sql_errors
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from longshore.index.arrays import Array, parameter
from longshore.index.database import Connection
from longshore.index.sql import Statement

Rows = list[list[bytes | None]]
"""What a statement returned, as PostgreSQL writes it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A statement and its parameters, by name; more than it uses may be given."""

    statement: Statement
    parameters: Mapping[str, Array | int | str] = field(
        default_factory=dict[str, Array | int | str]
    )


@dataclass(slots=True)
class _Prepared:
    """What a connection has prepared already.

    Attributes:
        names: Of the statements.
        generation: Part of the names. Some statements may be there still when all are forgotten:
            those that were prepared behind what took the others away.
    """

    names: set[str] = field(default_factory=set[str])
    generation: int = 0

    def forget(self) -> None:
        """Begins anew."""
        self.names.clear()
        self.generation += 1


_prepared: WeakKeyDictionary[Connection, _Prepared] = WeakKeyDictionary()


async def run(connection: Connection, steps: Sequence[Step]) -> list[Rows]:
    """Runs n statements in one round trip; returns the rows of each.

    Where one fails those behind it are not run, and a transaction begun here or before is open and
    failed: the caller rolls it back.

    Raises:
        psycopg.Error: As PostgreSQL has it, of the first that fails.
    """
    known = _prepared.setdefault(connection, _Prepared())
    return await connection.wait(_run(connection.pgconn, steps, known))


async def query(connection: Connection, step: Step) -> Rows:
    """Returns the rows of one statement outside of a transaction.

    Raises:
        psycopg.Error: As PostgreSQL has it.
    """
    known = _prepared.setdefault(connection, _Prepared())
    try:
        if step.statement.name in known.names:
            return await connection.wait(_query(connection.pgconn, step, known))
        [rows] = await run(connection, [step])
    except sql_errors.InvalidSqlStatementName:
        # Someone's rollback on this connection took it away; it is prepared again.
        [rows] = await run(connection, [step])
    return rows


def _run(pgconn: PGconn, steps: Sequence[Step], known: _Prepared) -> PQGen[list[Rows]]:
    pgconn.enter_pipeline_mode()
    try:
        sent = [name for step in steps for name in _send(pgconn, step, known)]
        pgconn.pipeline_sync()
        yield from generators.send(pgconn)
        answers: list[PGresult] = []
        for _ in sent:
            answers += yield from generators.fetch_many(pgconn)
        # the answer to the sync
        yield from generators.fetch_many(pgconn)
    finally:
        if pgconn.status == ConnStatus.OK:
            pgconn.exit_pipeline_mode()
    failed = next((each for each in answers if each.status == ExecStatus.FATAL_ERROR), None)
    # A statement stays prepared, whatever becomes of the transaction.
    good = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
    known.names -= {
        name for name, each in zip(sent, answers, strict=True) if name and each.status not in good
    }
    if failed is not None:
        error = sql_errors.error_from_result(failed)
        if isinstance(error, sql_errors.InvalidSqlStatementName):
            # psycopg deallocates all statements behind a rollback of its own.
            known.forget()
        raise error
    return [_rows(each) for name, each in zip(sent, answers, strict=True) if name is None]


def _query(pgconn: PGconn, step: Step, known: _Prepared) -> PQGen[Rows]:
    """Runs a statement that is prepared; alone it needs no pipeline, and no sync behind it."""
    pgconn.send_query_prepared(*_bound(step, known))
    answers = yield from generators.execute(pgconn)
    # A connection that is lost may add an answer of its own.
    answer = next((each for each in answers if each.status == ExecStatus.FATAL_ERROR), answers[-1])
    if answer.status == ExecStatus.FATAL_ERROR:
        error = sql_errors.error_from_result(answer)
        if isinstance(error, sql_errors.InvalidSqlStatementName):
            known.forget()
        raise error
    return _rows(answer)


def _send(pgconn: PGconn, step: Step, known: _Prepared) -> Iterator[str | None]:
    """Sends a step; yields, per answer to come, the name it prepares, None for one with rows."""
    statement = step.statement
    name, values = _bound(step, known)
    if statement.name not in known.names:
        pgconn.send_prepare(name, statement.text)
        known.names.add(statement.name)
        yield statement.name
    pgconn.send_query_prepared(name, values)
    yield None


def _bound(step: Step, known: _Prepared) -> tuple[bytes, list[bytes]]:
    """Returns the name that a step's statement has on this connection, and its parameters."""
    statement = step.statement
    name = f"{statement.name}.{known.generation}".encode()
    return name, [parameter(step.parameters[each]) for each in statement.parameter_names]


def _rows(answer: PGresult) -> Rows:
    columns = range(answer.nfields)
    return [[answer.get_value(row, column) for column in columns] for row in range(answer.ntuples)]
