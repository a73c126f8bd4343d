"""Indexing what was stored before an extended query tag came, and clearing behind one that went.

Each transaction is bounded, and moves the operation's place together with what it writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from longshore.errors import Conflict
from longshore.extent import Extent, pack_blob
from longshore.index import sql
from longshore.index.database import Connection, Database, retried
from longshore.index.extended_tags import ExtendedTag, read_tags
from longshore.index.extended_values import ValueRow, insert_steps
from longshore.index.locks import Lock
from longshore.index.pipeline import run
from longshore.index.rows import as_unsigned

_SQL = sql.load("reindex.sql")

BATCH_COUNT_MAX: Final = 500
"""Instances of one transaction: some tenths of a second, which a Delete of a study may wait."""
DELETED_COUNT_MAX: Final = 10_000
"""Values of a removed tag that go in one transaction."""


@dataclass(frozen=True, slots=True)
class Reindex:
    """An operation under way.

    Attributes:
        below_key: Instances with lower keys are still to be looked at; None if it has not begun.
        age_s: How long ago it was asked for.
    """

    operation_id: UUID
    below_key: int | None
    age_s: float


@dataclass(frozen=True, slots=True)
class StoredMetadata:
    """Where an instance's metadata lies."""

    instance_key: int
    sop_instance_uid: str
    segment: Extent
    plain_length: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Fault:
    """An instance that cannot be indexed by a tag, and why; the message holds no value."""

    tag_key: int
    instance_key: int
    message: str


async def stores_under_way(database: Database) -> set[str]:
    """Returns the names of the Store transactions that hold the lock of Stores now."""
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["stores_under_way"], {"tag_lock": int(Lock.STORES)})
        return {row[0] for row in await cursor.fetchall()}


async def next_reindex(database: Database) -> Reindex | None:
    """Returns the operation to go on with, if there is one."""
    async with database.connection() as connection:
        row = await (await connection.execute(_SQL["next_reindex"])).fetchone()
    return None if row is None else Reindex(*row)


async def begin_reindex(database: Database, operation_id: UUID) -> None:
    """Begins behind the newest instance: what comes from now on is indexed by its Store."""
    async with database.connection() as connection:
        await connection.execute(_SQL["begin_reindex"], {"operation_id": operation_id})


async def tags_of_operation(database: Database, operation_id: UUID) -> list[ExtendedTag]:
    """Returns the tags that an operation indexes."""
    async with database.connection() as connection:
        parameters = {"operation_id": operation_id}
        rows = await (await connection.execute(_SQL["tags_of_operation"], parameters)).fetchall()
    return [ExtendedTag(*row) for row in rows]


async def next_instances(database: Database, below_key: int) -> list[StoredMetadata]:
    """Returns at most `BATCH_COUNT_MAX` instances below a key, the highest first."""
    parameters = {"below_key": below_key, "limit": BATCH_COUNT_MAX}
    async with database.connection() as connection:
        rows = await (await connection.execute(_SQL["next_instances"], parameters)).fetchall()
    return [
        StoredMetadata(
            row[0], row[1], Extent(pack_blob(row[2]), row[3], row[4]), row[5], as_unsigned(row[6])
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a batch of instances.

    Attributes:
        instance_keys: n of them, the lowest last.
        rows: As `value_row` returns them, but for the owners' keys, which the transaction knows.
    """

    instance_keys: Sequence[int]
    values: Sequence[tuple[ExtendedTag, int, tuple[object, ...]]]
    faults: Sequence[Fault]


async def write_findings(
    database: Database, operation_id: UUID, below_key: int, finding: Finding
) -> int:
    """Writes a batch's values and faults and moves the operation's place, all at once.

    Returns:
        The place from now on.

    Raises:
        Conflict: Another process goes on with the operation.
    """

    async def attempt() -> int:
        async with database.connection() as connection, connection.transaction():
            return await _write(connection, operation_id, below_key, finding)

    return await retried(attempt)


async def _write(
    connection: Connection, operation_id: UUID, below_key: int, finding: Finding
) -> int:
    keys = {"instance_keys": list(finding.instance_keys)}
    await connection.execute(_SQL["keep_studies"], keys)
    cursor = await connection.execute(_SQL["find_owners"], keys)
    owners = {
        row[2]: {"study": row[0], "series": row[1], "instance": row[2]}
        for row in await cursor.fetchall()
    }
    # Of a study or a series the first one found is the one with the highest key.
    rows: dict[tuple[int, int], ValueRow] = {}
    for tag, instance_key, typed in finding.values:
        if instance_key in owners:
            row = ValueRow(tag.tag_key, owners[instance_key][tag.level], instance_key, tuple(typed))
            rows.setdefault(row[:2], row)
    await run(connection, list(insert_steps(list(rows.values()))))
    faults = [each for each in finding.faults if each.instance_key in owners]
    if faults:
        parameters = {
            "tag_keys": [each.tag_key for each in faults],
            "instance_keys": [each.instance_key for each in faults],
            "messages": [each.message for each in faults],
        }
        await connection.execute(_SQL["insert_errors"], parameters)
    lowest = min(finding.instance_keys)
    place = {"operation_id": operation_id, "below_key": lowest, "before_key": below_key}
    if await (await connection.execute(_SQL["go_down"], place)).fetchone() is None:
        raise Conflict("another process goes on with the operation")
    return lowest


async def finish_reindex(database: Database, operation_id: UUID) -> None:
    """Ends an operation; its tags become searchable at the same moment."""
    parameters = {"operation_id": operation_id}
    async with database.connection() as connection:
        async with connection.transaction():
            await connection.execute(_SQL["finish_tags"], parameters)
            await connection.execute(_SQL["finish_operation"], parameters)
        await read_tags(database, connection)


async def removed_tags(database: Database) -> list[int]:
    """Returns the keys of tags whose values are to go."""
    async with database.connection() as connection:
        rows = await (await connection.execute(_SQL["removed_tags"])).fetchall()
    return [row[0] for row in rows]


async def delete_values(database: Database, tag_key: int) -> bool:
    """Deletes at most `DELETED_COUNT_MAX` values of a tag; returns False if none is left."""
    parameters = {"tag_key": tag_key, "limit": DELETED_COUNT_MAX}
    async with database.connection() as connection:
        cursor = await connection.execute(_SQL["delete_values"], parameters)
        return cursor.rowcount == DELETED_COUNT_MAX


async def forget_tag(database: Database, tag_key: int) -> None:
    """Forgets a removed tag that has no values any more."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute(_SQL["delete_errors"], {"tag_key": tag_key})
        await connection.execute(_SQL["delete_tag"], {"tag_key": tag_key})
