"""A connection for questions alone, on which the event loop listens as long as it lives.

Whoever borrows a connection has the loop listen to it and stop again, which costs more than to send
a question; here that is done once. The protocol is the one of `pipeline`, without its generators.
"""

import asyncio
import select
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors as sql_errors
from psycopg.pq import ConnStatus, ExecStatus

from longshore.index.database import Connection
from longshore.index.pipeline import Prepared, Rows, rows_of, send
from longshore.index.sql import Statement

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

Outcome = Rows | psycopg.Error | None
"""Of one question: its rows, or its error; None if another's error came before it."""


class Line:
    """Sends questions, several in one packet, and tells when all of them are answered."""

    def __init__(self, connection: Connection, on_lost: Callable[["Line"], None]) -> None:
        """Takes over a connection.

        Args:
            connection: In autocommit mode, and nobody else's.
            on_lost: Called once if the connection is lost, asked or not; then nobody is told an
                outcome any more.
        """
        # Kept, since it would end the connection if it went.
        self._connection = connection
        self._pgconn = connection.pgconn
        self._socket = connection.pgconn.socket
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._is_writing = False
        self._is_closed = False
        self._prepared = Prepared()
        self._sent: list[str | None] = []
        self._results: list[PGresult] = []
        self._tell: Callable[[Sequence[Outcome]], None] | None = None
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._read)

    def ask(
        self,
        bound: Sequence[tuple[Statement, Sequence[bytes]]],
        tell: Callable[[Sequence[Outcome]], None],
    ) -> None:
        """Sends n questions while none is under way; their n outcomes are told in one call.

        Args:
            bound: Statements, and their parameters ready to send.
        """
        self._tell = tell
        try:
            self._sent = [
                name for each in bound for name in send(self._pgconn, *each, self._prepared)
            ]
            self._pgconn.pipeline_sync()
            self._flush()
        except psycopg.OperationalError:
            self._lose()

    def close(self) -> None:
        """Ends the connection; of what is under way nobody is told."""
        self._is_closed = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._pgconn.finish()

    def _lose(self) -> None:
        if not self._is_closed:
            self.close()
            self._on_lost(self)

    def _flush(self) -> None:
        """Sends what the socket takes, and the rest when it takes more."""
        is_left = self._pgconn.flush() != 0
        if is_left and not self._is_writing:
            self._loop.add_writer(self._socket, self._write)
        elif self._is_writing and not is_left:
            self._loop.remove_writer(self._socket)
        self._is_writing = is_left

    def _write(self) -> None:
        try:
            self._flush()
        except psycopg.OperationalError:
            self._lose()

    def _read(self) -> None:
        try:
            self._take()
            # Of an error on the socket uvloop tells once, and then listens no more, whatever may
            # still be read before the end.
            while self._readable.poll(0):
                self._take()
        except psycopg.OperationalError:
            self._lose()

    def _take(self) -> None:
        """Reads what has come; tells the outcomes when all of them have.

        Raises:
            psycopg.OperationalError: The connection is lost.
        """
        pgconn = self._pgconn
        pgconn.consume_input()
        while not pgconn.is_busy() and self._tell is not None:
            result = pgconn.get_result()
            if result is None:
                if pgconn.status != ConnStatus.OK:
                    raise psycopg.OperationalError
                continue  # it stands between two answers
            if result.status == ExecStatus.PIPELINE_SYNC:
                self._answered(self._tell)
            else:
                self._results.append(result)

    def _answered(self, tell: Callable[[Sequence[Outcome]], None]) -> None:
        outcomes = list(self._outcomes())
        self._results.clear()
        self._tell = None
        tell(outcomes)

    def _outcomes(self) -> Iterator[Outcome]:
        failed: psycopg.Error | None = None
        for name, result in zip(self._sent, self._results, strict=True):
            if result.status == ExecStatus.FATAL_ERROR:
                failed = sql_errors.error_from_result(result)
            is_good = result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
            if name is None:
                yield rows_of(result) if is_good else failed
                failed = None
            elif not is_good:
                self._prepared.names.discard(name)
