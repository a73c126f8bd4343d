"""How large the index is, and when PostgreSQL is done with what it does by itself."""

import time
from pathlib import Path
from typing import Any

import psycopg

from longshore.embedded.server import dsn_of

VACUUM_S_MAX = 120.0

_WHOLE = """
SELECT sum(pg_total_relation_size(pg_class.oid))::bigint
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'public' AND relkind IN ('r', 'm')
"""
_RELATIONS = """
SELECT relname, pg_relation_size(pg_class.oid)::bigint
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'public' AND relkind IN ('r', 'i', 'm')
ORDER BY 2 DESC LIMIT 12
"""
_VACUUMS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"


def sizes(data: Path) -> dict[str, Any]:
    """Returns the bytes of all tables with their indexes, and of the largest of each alone.

    Args:
        data: The service's data folder, with its embedded PostgreSQL running.
    """
    with psycopg.connect(dsn_of(data / "postgres"), autocommit=True) as connection:
        _rest(connection)
        row = connection.execute(_WHOLE).fetchone()
        assert row is not None
        return {"bytes": row[0], "relations": dict(connection.execute(_RELATIONS).fetchall())}


def _rest(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Waits for autovacuum, which comes after so many new rows, as it would at night."""
    deadline = time.monotonic() + VACUUM_S_MAX
    while time.monotonic() < deadline:
        row = connection.execute(_VACUUMS).fetchone()
        if row == (0,):
            return
        time.sleep(0.5)
