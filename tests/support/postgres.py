"""One private PostgreSQL for the whole run, and a fresh, migrated database for each test."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from longshore.embedded.server import EmbeddedPostgres, running
from longshore.index.migrate import migrate

CONNECTION_COUNT_MAX = 100
TEMPLATE = "longshore_template"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """A server in a temporary folder, set as the service sets it (fsync too)."""
    folder = Path(tempfile.mkdtemp(prefix="longshore-tests-"))
    try:
        with running(folder / "postgres", connection_count_max=CONNECTION_COUNT_MAX) as server:
            yield server
    finally:
        shutil.rmtree(folder)


def _run(dsn: str, statement: sql.Composed) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def _create_database(dsn: str, name: str, *, template: str) -> str:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    _run(dsn, statement.format(sql.Identifier(name), sql.Identifier(template)))
    return make_conninfo(dsn, dbname=name)


def _drop_database(dsn: str, name: str) -> None:
    _run(dsn, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def _template(postgres_server: EmbeddedPostgres) -> str:
    migrate(_create_database(postgres_server.dsn, TEMPLATE, template="template0"))
    return TEMPLATE


@pytest.fixture
def dsn(postgres_server: EmbeddedPostgres, _template: str) -> Iterator[str]:
    """A new database with every migration applied."""
    name = f"test_{next(_numbers)}"
    yield _create_database(postgres_server.dsn, name, template=_template)
    _drop_database(postgres_server.dsn, name)


@pytest.fixture
def empty_dsn(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A new database without any migration."""
    name = f"test_{next(_numbers)}"
    yield _create_database(postgres_server.dsn, name, template="template0")
    _drop_database(postgres_server.dsn, name)
