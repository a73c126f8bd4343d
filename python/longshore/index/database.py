"""Connections to PostgreSQL, and the one place where its errors become ours."""

import asyncio
import contextlib
import random
import select
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Self, TypeVar

import psycopg
from psycopg import errors as sql_errors
from psycopg_pool import AsyncConnectionPool

from longshore.errors import Unavailable

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

CONNECT_S_MAX = 10.0
WAIT_S_MAX = 15.0
"""How long a request waits for a connection before it is told to come again, in seconds."""
WAITING_COUNT_MAX = 1_000
"""Requests of one process that may wait for a connection; more are told to come again at once."""
RECONNECT_PAUSE_S = 0.1
"""How long until PostgreSQL is asked again for a connection, in seconds."""
TRIES_MAX = 20
"""How often a transaction is tried that lost against another one."""
PAUSE_S_MAX = 0.05
"""Longest pause before such a transaction is tried again, in seconds."""

LOST: tuple[type[psycopg.Error], ...] = (
    sql_errors.DeadlockDetected,
    sql_errors.SerializationFailure,
)

UNAVAILABLE = (
    # Includes the pool's errors, lost connections, a full disk and the statement timeout.
    psycopg.OperationalError,
    # What is left of a primary after a failover.
    sql_errors.ReadOnlySqlTransaction,
)
"""Errors that another try may not meet."""

NO_ANSWER = "the index does not answer; send the request again later"
"""What a request is told whose error is one of `UNAVAILABLE`."""

_T = TypeVar("_T")


class Database:
    """The index's connections. One per process."""

    def __init__(
        self, pool: AsyncConnectionPool[Connection], connect: Callable[[], Awaitable[Connection]]
    ) -> None:
        self._pool = pool
        self._connect = connect
        self.closing = contextlib.ExitStack()
        """Ends what lives as long as this does."""

    @classmethod
    async def open(cls, dsn: str, *, connection_count_max: int, statement_timeout_ms: int) -> Self:
        """Opens the pool; connections are made when they are needed, and made again when lost."""
        how: dict[str, Any] = {
            "autocommit": True,
            "connect_timeout": int(CONNECT_S_MAX),
            "options": f"-c statement_timeout={statement_timeout_ms}",
        }
        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            dsn,
            kwargs=how,
            min_size=1,
            max_size=connection_count_max,
            timeout=WAIT_S_MAX,
            max_waiting=WAITING_COUNT_MAX,
            open=False,
        )
        await pool.open()
        return cls(pool, lambda: psycopg.AsyncConnection.connect(dsn, **how))

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lends a connection in autocommit mode; open a transaction on it where one is needed.

        Raises:
            Unavailable: PostgreSQL does not answer, or gave up on a statement. What was under way
                is rolled back, unless the answer to a commit was lost.
        """
        try:
            # After a restart every connection of the pool is lost; the one behind them is new.
            for _ in range(self._pool.max_size + 1):
                async with self._pool.connection() as connection:
                    if not _is_hung_up(connection):
                        yield connection
                        return
                    await connection.close()
        except UNAVAILABLE as error:
            raise Unavailable(NO_ANSWER) from error
        raise Unavailable(NO_ANSWER)

    async def connect(self) -> Connection:
        """Returns a connection of the caller's own, in autocommit mode.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        try:
            async with asyncio.timeout(WAIT_S_MAX):
                while True:
                    with contextlib.suppress(psycopg.OperationalError):
                        return await self._connect()
                    await asyncio.sleep(RECONNECT_PAUSE_S)
        except TimeoutError as error:
            raise Unavailable(NO_ANSWER) from error

    async def check(self) -> None:
        """Raises `Unavailable` unless PostgreSQL answers now."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    async def close(self) -> None:
        """Closes all connections."""
        self.closing.close()
        await self._pool.close()


@contextlib.asynccontextmanager
async def rolling_back(connection: Connection) -> AsyncGenerator[None]:
    """Ends the transaction that an error leaves open; `BEGIN` and `COMMIT` are the caller's.

    `connection.transaction()` waits for all answers before it commits. Where locks that everyone
    needs are held by then, `COMMIT` goes into the same pipeline as the statements.
    """
    try:
        yield
    except Exception:
        # A lost connection has no transaction left; the first error is the one to tell.
        with contextlib.suppress(psycopg.Error):
            await connection.rollback()
        raise


async def retried(
    attempt: Callable[[], Awaitable[_T]], *, lost: tuple[type[Exception], ...] = LOST
) -> _T:
    """Returns what the first attempt returns that does not lose against another transaction.

    Args:
        attempt: One whole transaction; leaves nothing open when it raises.
        lost: The errors that another attempt may not meet again.

    Raises:
        Unavailable: All of `TRIES_MAX` attempts lost. Send the request again.
    """
    for number in range(TRIES_MAX):
        try:
            return await attempt()
        except lost:
            await asyncio.sleep(random.uniform(0, PAUSE_S_MAX) * number / TRIES_MAX)  # noqa: S311
    msg = "the index is being changed by too many at once; send the request again"
    raise Unavailable(msg)


def _is_hung_up(connection: Connection) -> bool:
    """Finds out without a round trip whether the server closed the connection while it was idle.

    An idle connection has nothing to read, unless PostgreSQL says goodbye on it. (The pool's own
    check pauses for seconds between two lost connections.)
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
