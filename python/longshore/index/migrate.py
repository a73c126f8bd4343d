"""Brings the index to the schema of this version: numbered files, forward only.

`NNNN_pre_….sql` is safe under the code of the version before, `NNNN_post_….sql` removes what only
that needed. Two processes at once are safe: one waits for the other.
"""

import re
from pathlib import Path
from typing import LiteralString, cast

import psycopg

from longshore.errors import Unavailable

_FOLDER = Path(__file__).parent / "migrations"
_NAME = re.compile(r"\d{4}_(pre|post)_[a-z0-9_]+\.sql")
_LOCK = 0x10_6E_55_08
"""Any number that nobody else uses for an advisory lock in this database."""


def migration_files() -> list[Path]:
    """Returns the migrations in order."""
    files = sorted(_FOLDER.glob("*.sql"))
    for file in files:
        if _NAME.fullmatch(file.name) is None:
            msg = f"migrations are named NNNN_pre_x.sql or NNNN_post_x.sql, not {file.name}"
            raise ValueError(msg)
    return files


def migrate(dsn: str) -> list[str]:
    """Applies what is missing, each file in a transaction; returns the names of those applied.

    Raises:
        Unavailable: The database does not answer, or refuses.
    """
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return _migrate(connection)
    except psycopg.OperationalError as error:
        msg = "the database does not answer; check --database and that PostgreSQL runs"
        raise Unavailable(msg) from error


def _migrate(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    applied: list[str] = []
    connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
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
        connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    return applied
