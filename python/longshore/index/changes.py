"""The change feed: creations, deletions and updates in the order of their commits.

Watermarks have no gaps and are taken under a lock, so a reader that has seen one has seen all
before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from longshore.index import sql
from longshore.index.database import Database
from longshore.index.locate import Located, located_from

_SQL = sql.load("changes.sql")
_ACTIONS: Mapping[int, str] = {0: "create", 1: "delete", 2: "update"}
_WATERMARK_MAX = (1 << 62) - 1
"""No feed gets there; beyond it a bigint might not hold a sum."""


@dataclass(frozen=True, slots=True)
class Change:
    """One creation, deletion or update: a new version of an instance in the old one's place.

    Attributes:
        watermark: Its position in the feed, from 1.
        changed_at: UTC; ascends with the watermark.
        action: `create`, `delete` or `update`.
        state: What has become of the instance since: `current`, `replaced` or `deleted`.
        located: The current version; None if deleted.
    """

    watermark: int
    changed_at: datetime
    partition_name: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    action: str
    state: str
    located: Located | None


async def changes_after(database: Database, *, watermark: int, limit: int) -> list[Change]:
    """Returns the changes with watermarks in (watermark, watermark + limit]."""
    after = min(watermark, _WATERMARK_MAX)
    return await _page(database, _SQL["changes_after"], {"after": after, "last": after + limit})


async def changes_between(
    database: Database, *, start: datetime, end: datetime, skip: int, limit: int
) -> list[Change]:
    """Returns changes of the time window [start, end), at most `limit`, behind the first `skip`.

    What it costs does not depend on `skip`.
    """
    parameters = {"start": start, "end": end, "skip": min(skip, _WATERMARK_MAX), "limit": limit}
    return await _page(database, _SQL["changes_between"], parameters)


async def latest(database: Database) -> Change | None:
    """Returns the newest change; None if there never was one."""
    found = await _page(database, _SQL["latest"], {})
    return found[0] if found else None


async def _page(
    database: Database, page: LiteralString, parameters: Mapping[str, Any]
) -> list[Change]:
    statement = "WITH page AS (" + page + ") " + _SQL["described"]
    async with database.connection() as connection:
        rows = await (await connection.execute(statement, parameters)).fetchall()
    return [_change(row) for row in rows]


def _change(row: Sequence[Any]) -> Change:
    current = row[6:]
    located = None if current[0] is None else located_from(row[4], current)
    if located is None:
        state = "deleted"
    else:
        state = "current" if located.instance_key == row[5] else "replaced"
    return Change(
        watermark=row[0],
        changed_at=row[1],
        partition_name=row[2],
        action=_ACTIONS[row[3]],
        study_uid=row[4],
        series_uid=current[1],
        sop_instance_uid=current[2],
        state=state,
        located=located,
    )
