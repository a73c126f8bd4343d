"""The Store transaction: one pack and its instances become visible, together with their changes.

Rows go in UID order, so that two batches cannot deadlock; the change feed's counter goes last, so
that watermark order is commit order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psycopg import errors as sql_errors

from longshore.errors import Conflict, Unavailable
from longshore.index import sql
from longshore.index.database import Connection, Database
from longshore.index.rows import instance_columns, series_columns, study_columns

if TYPE_CHECKING:
    from longshore.dicom import Instance

_SQL = sql.load("store.sql")

TRIES_MAX = 8
"""How often a transaction is tried that lost against a deletion or a deadlock."""

_LOST = (
    sql_errors.DeadlockDetected,
    sql_errors.SerializationFailure,
    # A study was deleted between its insertion and its lock: its series found no study.
    sql_errors.NotNullViolation,
)


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
    """Indexes a pack's instances in one transaction.

    Args:
        entries: n instances, at least one; no two with the same UIDs.

    Returns:
        For each entry True if it is stored, False if it was there before. Where nothing is stored
        the pack gets no row, and its blob may go.

    Raises:
        Conflict: The sweep took the pack for forgotten. Store the instances again.
        Unavailable: PostgreSQL does not answer, or the batch lost too often. Likewise.
    """
    async with database.connection() as connection:
        existing = await _existing(connection, entries)
        new = [entry for at, entry in enumerate(entries) if at not in existing]
        if not new:
            return [False] * len(entries)
        new.sort(key=_uids)
        parameters = await _parameters(database, connection, new)
        parameters["pack_id"] = pack.pack_id
        parameters["pack_length"] = pack.length
        parameters["entry_count"] = len(entries) + pack.dead_count
        for _ in range(TRIES_MAX):
            try:
                offsets = await _transact(connection, parameters)
            except _LOST:
                continue
            except sql_errors.UniqueViolation as error:
                msg = f"pack {pack.pack_id} was swept; store its instances again"
                raise Conflict(msg) from error
            return [entry.payload_offset in offsets for entry in entries]
    msg = "the batch met too many deletions; send the request again"
    raise Unavailable(msg)


class _NothingNew(Exception):
    """Rolls a transaction back in which every instance turned out to be a duplicate."""


async def _transact(connection: Connection, parameters: dict[str, Any]) -> set[int]:
    """Runs the transaction in one round trip; returns the payload offsets of what is stored."""
    offsets: set[int] = set()
    try:
        async with connection.transaction(), connection.pipeline():
            for name in (
                "insert_studies",
                "lock_studies",
                "lock_changed_studies",
                "merge_studies",
                "insert_series",
                "lock_series",
                "merge_series",
                "insert_pack",
            ):
                await connection.execute(_SQL[name], parameters)
            stored = await connection.execute(_SQL["insert_instances"], parameters)
            await connection.execute(_SQL["count_stored"], parameters)
            await connection.execute(_SQL["append_creations"], parameters)
            offsets = {row[0] for row in await stored.fetchall()}
            if not offsets:
                raise _NothingNew
    except _NothingNew:
        pass
    return offsets


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
    instance = entry.instance
    return (
        instance.study_uid,
        entry.partition_key,
        instance.series_uid,
        instance.sop_instance_uid,
    )


async def _parameters(
    database: Database, connection: Connection, new: Sequence[NewInstance]
) -> dict[str, Any]:
    uids = {entry.instance.sop_class_uid for entry in new}
    uids |= {entry.instance.transfer_syntax_uid for entry in new}
    keys = await _uid_keys(database, connection, uids)
    return study_columns(new) | series_columns(new) | instance_columns(new, keys)


_known_uid_keys: WeakKeyDictionary[Database, dict[str, int]] = WeakKeyDictionary()


async def _uid_keys(database: Database, connection: Connection, uids: set[str]) -> dict[str, int]:
    """Returns the keys of SOP classes and transfer syntaxes; names are never removed."""
    known = _known_uid_keys.setdefault(database, {})
    missing = sorted(uids - known.keys())
    if missing:
        await connection.execute(_SQL["insert_uid_names"], {"uids": missing})
        cursor = await connection.execute(_SQL["find_uid_names"], {"uids": missing})
        known.update(dict(await cursor.fetchall()))
    return known
