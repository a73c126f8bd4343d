"""The Delete transaction: rows go at once, bytes later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from longshore.errors import NotFound
from longshore.index import sql
from longshore.index.database import Connection, Database, retried, rolling_back
from longshore.index.locate import instances_found, not_found

_SQL = sql.load("delete.sql")
_PACKS = sql.load("pack_counts.sql")


@dataclass(frozen=True, slots=True)
class DeadEntry:
    """An entry of a pack that lost its row."""

    pack_id: str
    payload_offset: int


async def delete(
    database: Database,
    *,
    partition_key: int,
    study_uid: str,
    series_uid: str | None = None,
    sop_instance_uid: str | None = None,
    is_only_due: bool = False,
) -> list[DeadEntry]:
    """Deletes a study, a series or an instance for every reader, and tells the change feed.

    Args:
        is_only_due: A study whose time is not over is left alone, as if it were not there.

    Returns:
        n entries of packs whose bytes are now of no use.

    Raises:
        NotFound: Nothing of that name; the text says of which level.
        Unavailable: It lost too often. Send the request again.
    """
    parameters = {
        "partition_key": partition_key,
        "study_uid": study_uid,
        "series_uid": series_uid,
        "sop_instance_uid": sop_instance_uid,
    }
    async with database.connection() as connection:
        lock = _SQL["lock_due_study"] if is_only_due else _SQL["lock_study"]
        return await retried(lambda: _transact(connection, parameters, lock))


async def _transact(
    connection: Connection, parameters: dict[str, int | str | None], lock: LiteralString
) -> list[DeadEntry]:
    """Runs the transaction in two round trips; only the second holds the change feed's counter."""
    found = "WITH found AS (" + instances_found(parameters) + ")"
    async with rolling_back(connection):
        async with connection.pipeline():
            await connection.execute("BEGIN")
            study = await connection.execute(lock, parameters)
            doomed = await connection.execute(found + _SQL["delete_found"], parameters)
        if await study.fetchone() is None:
            raise not_found("study")
        gone = await doomed.fetchall()
        if not gone:
            raise await _missing(connection, parameters)
        await _finish(connection, parameters, gone)
    return [DeadEntry(row[1], row[3]) for row in gone]


async def _finish(
    connection: Connection, parameters: dict[str, int | str | None], gone: Sequence[Sequence[Any]]
) -> None:
    """Removes what is empty now, counts, appends the changes and commits."""
    packs = {"pack_keys": [row[2] for row in gone], "payload_lengths": [row[4] for row in gone]}
    changes = {
        "partition_key": parameters["partition_key"],
        "instance_keys": [row[0] for row in gone],
    }
    async with connection.pipeline():
        await connection.execute(_SQL["delete_empty_series"], parameters)
        await connection.execute(_SQL["delete_empty_study"], parameters)
        await connection.execute(_PACKS["lock_packs"], packs)
        await connection.execute(_PACKS["count_packs"], packs)
        await connection.execute(_SQL["append_deletions"], changes)
        await connection.execute("COMMIT")


async def _missing(connection: Connection, parameters: dict[str, int | str | None]) -> NotFound:
    if parameters["sop_instance_uid"] is None:
        return not_found("series")
    row = await (await connection.execute(_SQL["series_exists"], parameters)).fetchone()
    return not_found("series" if row is None else "instance")
