"""The Store transaction: one pack and its instances become visible, together with their changes.

Everything new goes in UID order, then locks on what others may hold too: studies, series, and last
the change feed's counter. So two batches cannot deadlock, and watermark order is commit order.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psycopg import errors as sql_errors

from longshore.errors import Conflict
from longshore.index import sql
from longshore.index.database import LOST, Connection, Database, retried, rolling_back
from longshore.index.rows import instance_columns, series_columns, study_columns

if TYPE_CHECKING:
    from longshore.dicom import Instance

_SQL = sql.load("store.sql")

_STEPS_BEFORE = ("keep_studies", "insert_studies", "insert_series", "insert_pack")
_STEPS_BEHIND = (
    "lock_changed_studies",
    "merge_studies",
    "lock_series",
    "merge_series",
    "append_creations",
)

ROWS_PER_TURN = 50
"""Instances that are made ready to send, some 10 µs each, before other requests get their turn."""

_LOST = (
    *LOST,
    # A study came and went while we looked away: its series found no study.
    sql_errors.NotNullViolation,
    # Someone else stored one of the instances since we looked.
    sql_errors.UniqueViolation,
)

UID_NAMES_CACHED_MAX = 10_000
"""SOP classes and transfer syntaxes a process remembers; there are some 500, clients may invent."""


@dataclass(frozen=True, slots=True)
class NewInstance:
    """An instance that lies in a durable pack and has no row yet; offsets count its bytes."""

    partition_key: int
    instance: "Instance"
    payload_offset: int
    segment_offset: int


@dataclass(frozen=True, slots=True)
class NewPack:
    """A durable pack without a row.

    Attributes:
        length: Bytes of the whole pack.
        dead_count: Entries that are dead already and shall get no row.
    """

    pack_id: str
    length: int
    dead_count: int = 0


async def store_batch(
    database: Database, pack: NewPack, entries: Sequence[NewInstance]
) -> list[bool]:
    """Indexes a pack's instances in one transaction: two round trips.

    Args:
        entries: n instances, at least one.

    Returns:
        For each entry True if it is stored, False for a duplicate: it was stored before, or comes
        twice and this is not the first. A duplicate changes nothing. Where nothing is stored the
        pack gets no row, and its blob may go.

    Raises:
        Conflict: The sweep took the pack for forgotten. Store the instances again.
        Unavailable: PostgreSQL does not answer, or the batch lost too often. Likewise.
    """
    firsts: dict[tuple[str, int, str, str], int] = {}
    for position, entry in enumerate(entries):
        firsts.setdefault(_uids(entry), position)
    async with database.connection() as connection:

        async def attempt() -> set[int]:
            existing = await _existing(connection, entries)
            positions = sorted(set(firsts.values()) - existing)
            if positions:
                new = [entries[position] for position in positions]
                counts = {
                    "entry_count": len(entries) + pack.dead_count,
                    "live_count": len(new),
                    "live_bytes": sum(each.instance.pack_entry.length for each in new),
                }
                keys = await _uid_keys(database, connection, new)
                await _transact(connection, pack, counts, new, keys)
            return set(positions)

        stored = await retried(attempt, lost=_LOST)
    return [position in stored for position in range(len(entries))]


async def _transact(
    connection: Connection,
    pack: NewPack,
    counts: Mapping[str, int],
    new: Sequence[NewInstance],
    uid_keys: Mapping[str, int],
) -> None:
    """Runs the whole transaction in one round trip: the counter is not held while we think."""
    named = {"pack_id": pack.pack_id, "pack_length": pack.length}
    parameters: dict[str, Any] = {**named, **counts, **study_columns(new), **series_columns(new)}
    by_uids = sorted(new, key=_uids)
    try:
        async with rolling_back(connection), connection.pipeline():
            await connection.execute("BEGIN")
            for name in _STEPS_BEFORE:
                await connection.execute(_SQL[name], parameters)
            for first in range(0, len(by_uids), ROWS_PER_TURN):
                await asyncio.sleep(0)
                columns = instance_columns(by_uids[first : first + ROWS_PER_TURN], uid_keys)
                await connection.execute(_SQL["insert_instances"], columns | named)
            for name in _STEPS_BEHIND:
                await connection.execute(_SQL[name], parameters)
            await connection.execute("COMMIT")
    except sql_errors.UniqueViolation as error:
        if error.diag.table_name != "pack":
            raise
        msg = f"pack {pack.pack_id} was swept; store its instances again"
        raise Conflict(msg) from error


async def _existing(connection: Connection, entries: Sequence[NewInstance]) -> set[int]:
    """Returns the 0-based positions of entries that are stored already."""
    cursor = await connection.execute(
        _SQL["find_existing"],
        {
            "partition_keys": [entry.partition_key for entry in entries],
            "study_uids": [entry.instance.study_uid for entry in entries],
            "series_uids": [entry.instance.series_uid for entry in entries],
            "sop_instance_uids": [entry.instance.sop_instance_uid for entry in entries],
        },
    )
    return {row[0] - 1 for row in await cursor.fetchall()}


def _uids(entry: NewInstance) -> tuple[str, int, str, str]:
    """Returns what names an instance; sorts as the index does."""
    instance = entry.instance
    return (
        instance.study_uid,
        entry.partition_key,
        instance.series_uid,
        instance.sop_instance_uid,
    )


_known_uid_keys: WeakKeyDictionary[Database, dict[str, int]] = WeakKeyDictionary()


async def _uid_keys(
    database: Database, connection: Connection, new: Sequence[NewInstance]
) -> dict[str, int]:
    """Returns the keys of SOP classes and transfer syntaxes; names are never removed."""
    uids = {entry.instance.sop_class_uid for entry in new}
    uids |= {entry.instance.transfer_syntax_uid for entry in new}
    known = _known_uid_keys.setdefault(database, {})
    keys = {uid: known[uid] for uid in uids if uid in known}
    missing = sorted(uids - keys.keys())
    if missing:
        await connection.execute(_SQL["insert_uid_names"], {"uids": missing})
        cursor = await connection.execute(_SQL["find_uid_names"], {"uids": missing})
        keys |= dict(await cursor.fetchall())
        if len(known) > UID_NAMES_CACHED_MAX:
            known.clear()
        known.update(keys)
    return keys
