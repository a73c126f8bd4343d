"""Connections to PostgreSQL, and the one place where its errors become ours."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Any, Self

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from longshore.errors import Unavailable

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

CONNECT_S_MAX = 10.0
WAIT_S_MAX = 15.0
"""How long a request waits for a connection before it is told to come again, in seconds."""


class Database:
    """The index's connections. One per process."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, dsn: str, *, connection_count_max: int, statement_timeout_ms: int) -> Self:
        """Opens the pool; connections are made when they are needed, and made again when lost."""
        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            dsn,
            kwargs={
                "autocommit": True,
                "connect_timeout": int(CONNECT_S_MAX),
                "options": f"-c statement_timeout={statement_timeout_ms}",
            },
            min_size=1,
            max_size=connection_count_max,
            timeout=WAIT_S_MAX,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        await pool.open()
        return cls(pool)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lends a connection in autocommit mode; open a transaction on it where one is needed.

        Raises:
            Unavailable: PostgreSQL does not answer, or gave up on a statement. What was under way
                is rolled back, unless the answer to a commit was lost.
        """
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, psycopg.OperationalError) as error:
            msg = "the index does not answer; send the request again later"
            raise Unavailable(msg) from error

    async def check(self) -> None:
        """Raises `Unavailable` unless PostgreSQL answers now."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    async def close(self) -> None:
        """Closes all connections."""
        await self._pool.close()
