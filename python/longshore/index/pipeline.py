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
class Prepared:
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


_prepared: WeakKeyDictionary[Connection, Prepared] = WeakKeyDictionary()


async def run(connection: Connection, steps: Sequence[Step]) -> list[Rows]:
    """Runs n statements in one round trip; returns the rows of each.

    Where one fails those behind it are not run, and a transaction begun here or before is open and
    failed: the caller rolls it back.

    Raises:
        psycopg.Error: As PostgreSQL has it, of the first that fails.
    """
    known = _prepared.setdefault(connection, Prepared())
    return await connection.wait(_run(connection.pgconn, steps, known))


def _run(pgconn: PGconn, steps: Sequence[Step], known: Prepared) -> PQGen[list[Rows]]:
    pgconn.enter_pipeline_mode()
    try:
        sent = [name for step in steps for name in send(pgconn, step.statement, bound(step), known)]
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
    return [rows_of(each) for name, each in zip(sent, answers, strict=True) if name is None]


def bound(step: Step) -> list[bytes]:
    """Returns the parameters of a step, ready to send."""
    return [parameter(step.parameters[each]) for each in step.statement.parameter_names]


def send(
    pgconn: PGconn, statement: Statement, values: Sequence[bytes], known: Prepared
) -> Iterator[str | None]:
    """Sends a statement; yields, per answer to come, the name it prepares, None for its rows."""
    name = f"{statement.name}.{known.generation}".encode()
    if statement.name not in known.names:
        pgconn.send_prepare(name, statement.text)
        known.names.add(statement.name)
        yield statement.name
    pgconn.send_query_prepared(name, values)
    yield None


def rows_of(answer: PGresult) -> Rows:
    """Returns the rows of an answer."""
    columns = range(answer.nfields)
    return [[answer.get_value(row, column) for column in columns] for row in range(answer.ntuples)]
