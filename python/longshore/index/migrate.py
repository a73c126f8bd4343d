"""Brings the index to the schema of this version: numbered files, forward only.

`NNNN_pre_x.sql` is safe under the code of the version before, `NNNN_post_x.sql` removes what only
that needed. Two processes at once are safe: one waits for the other.
"""

import re
from pathlib import Path
from typing import LiteralString, cast

import psycopg
from psycopg import errors as sql_errors

from longshore.errors import Unavailable
from longshore.index.locks import Lock

_FOLDER = Path(__file__).parent / "migrations"
FILE_NAME = re.compile(r"(\d{4})_(pre|post)_[a-z0-9_]+\.sql")


def migration_files() -> list[Path]:
    """Returns the migrations in order; their names are tested."""
    return sorted(file for file in _FOLDER.iterdir() if FILE_NAME.fullmatch(file.name))


def migrate(dsn: str) -> list[str]:
    """Applies what is missing, each file in a transaction; returns the names of those applied.

    Raises:
        Unavailable: The database does not answer, or refuses; the text says what to do.
    """
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return _migrate(connection)
    except psycopg.OperationalError as error:
        msg = "the database does not answer; check --database and that PostgreSQL runs"
        raise Unavailable(msg) from error
    except sql_errors.InsufficientPrivilege as error:
        msg = "the database's user may not change its schema; migrate as its owner"
        raise Unavailable(msg) from error


def _migrate(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    applied: list[str] = []
    connection.execute("SELECT pg_advisory_lock(%s)", [int(Lock.MIGRATE)])
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration"
            " (applied_at timestamptz NOT NULL DEFAULT now(), name text PRIMARY KEY)"
        )
        known = {row[0] for row in connection.execute("SELECT name FROM schema_migration")}
        for file in migration_files():
            if file.name in known:
                continue
            statements = cast("LiteralString", file.read_text(encoding="utf-8"))
            with connection.transaction():
                connection.execute(statements)
                connection.execute("INSERT INTO schema_migration (name) VALUES (%s)", [file.name])
            applied.append(file.name)
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [int(Lock.MIGRATE)])
    return applied
