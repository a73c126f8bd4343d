"""The Store transaction: one pack and its instances become visible, together with their changes.

Everything new goes in UID order, then locks on what others may hold too: studies, series, and last
the change feed's counter. So two batches cannot deadlock, and watermark order is commit order.
A race that is lost shows as a row that is there already; then all is looked up again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from psycopg import errors as sql_errors

from longshore.errors import Conflict
from longshore.index import sql
from longshore.index.arrays import array
from longshore.index.database import LOST, Connection, Database, retried, rolling_back
from longshore.index.extended_values import StoreValues, values_of_batch
from longshore.index.new import ORDINARY, NewInstance, NewPack
from longshore.index.pipeline import Step, run
from longshore.index.store_look_up import Found, GoneError, look_up
from longshore.index.store_replace import Replaced, count_replaced, delete_replaced
from longshore.index.store_steps import StoreSteps

_SQL = sql.load_prepared("uid_names.sql")
_COMMIT = Step(sql.prepared("commit", "COMMIT"))

UID_NAMES_CACHED_MAX = 10_000
"""SOP classes and transfer syntaxes a process remembers; there are some 500, clients may invent."""


_LOST = (
    *LOST,
    GoneError,
    # Someone else added one of the instances, or its study or series, since they were looked up.
    sql_errors.UniqueViolation,
    # The connection has lost its prepared statements; they are prepared again.
    sql_errors.InvalidSqlStatementName,
)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What became of a batch.

    Attributes:
        are_stored: For each entry True if it is stored, False for a duplicate: it was stored before
            and does not replace, or comes twice and this is not the first.
        replaced: Entries of other packs whose bytes are now of no use.
    """

    are_stored: list[bool]
    replaced: Sequence[Replaced] = ()


async def store_batch(
    database: Database,
    pack: NewPack,
    entries: Sequence[NewInstance],
    *,
    durable: asyncio.Future[None] | None = None,
) -> Indexed:
    """Indexes a pack's instances in one transaction of three round trips.

    What replaces takes two more, and keeps others from the studies meanwhile.

    Args:
        entries: n instances, at least one, in the pack's order.
        durable: Done when the pack is durable; the commit waits for it, what comes before does
            not. None: the pack is durable already.

    Returns:
        What is stored; a duplicate changes nothing. Where nothing is stored the pack gets no row,
        and its blob may go.

    Raises:
        Conflict: The sweep took the pack for forgotten. Store the instances again.
        Unavailable: PostgreSQL does not answer, or the batch lost too often. Likewise.
        Exception: What `durable` raises; nothing is stored then.
    """
    firsts: dict[tuple[str, int, str, str], int] = {}
    for position, entry in enumerate(entries):
        firsts.setdefault((*entry.series, entry.instance.sop_instance_uid), position)
    in_uid_order = [position for _, position in sorted(firsts.items())]
    async with database.connection() as connection:
        uid_keys = await _uid_keys(database, connection, entries)

        async def attempt() -> tuple[set[int], Sequence[Replaced]]:
            async with rolling_back(connection):
                found, replaced = await _look_up(connection, entries, in_uid_order)
                new = [position for position in in_uid_order if position not in found.existing]
                if new:
                    steps = StoreSteps(pack, entries, new, found)
                    values = await values_of_batch(
                        database, connection, found.tag_version, entries, new, steps.owner_keys
                    )
                    await _add(connection, pack, steps, uid_keys, values)
                    last = [*steps.merge(), *values.merge(), *steps.expire()]
                    last += [*count_replaced(replaced), steps.append(), _COMMIT]
                    if durable is not None:
                        await durable
                    await run(connection, last)
                else:
                    await run(connection, [_COMMIT])
            return set(new), replaced

        stored, replaced = await retried(attempt, lost=_LOST)
    return Indexed([position in stored for position in range(len(entries))], replaced)


async def _look_up(
    connection: Connection, entries: Sequence[NewInstance], in_uid_order: Sequence[int]
) -> tuple[Found, Sequence[Replaced]]:
    """Looks a batch up, and makes room for what replaces."""
    replacing = {
        position
        for position in in_uid_order
        if entries[position].terms is not ORDINARY and entries[position].terms.replaces
    }
    found = await look_up(connection, entries, in_uid_order, is_replacing=bool(replacing))
    positions = sorted(found.existing & replacing)
    if not positions:
        return found, ()
    replaced = await delete_replaced(connection, entries, positions)
    found = await look_up(connection, entries, in_uid_order, is_replacing=True, is_begun=True)
    return found, replaced


async def _add(
    connection: Connection,
    pack: NewPack,
    steps: StoreSteps,
    uid_keys: Mapping[str, int],
    values: StoreValues,
) -> None:
    """Adds what is new, in one round trip; nobody waits for what it locks."""
    adding = [*steps.add()]
    for step in steps.add_instances(uid_keys):
        adding.append(step)
        await asyncio.sleep(0)
    adding += values.add()
    try:
        await run(connection, adding)
    except sql_errors.UniqueViolation as error:
        if error.diag.table_name != "pack":
            raise
        msg = f"pack {pack.pack_id} was swept; store its instances again"
        raise Conflict(msg) from error


_known_uid_keys: WeakKeyDictionary[Database, dict[str, int]] = WeakKeyDictionary()


async def _uid_keys(
    database: Database, connection: Connection, new: Sequence[NewInstance]
) -> dict[str, int]:
    """Returns the keys of SOP classes and transfer syntaxes; names are never removed.

    Not within the transaction: what is remembered must not be rolled back.
    """
    uids = {entry.instance.sop_class_uid for entry in new}
    uids |= {entry.instance.transfer_syntax_uid for entry in new}
    known = _known_uid_keys.setdefault(database, {})
    keys = {uid: known[uid] for uid in uids if uid in known}
    missing = sorted(uids - keys.keys())
    if missing:
        parameters = {"uids": array(missing)}
        insert, find = _SQL["insert_uid_names"], _SQL["find_uid_names"]
        _, rows = await run(connection, [Step(insert, parameters), Step(find, parameters)])
        found = {(uid or b"").decode(): int(key or 0) for uid, key in rows}
        if len(known) > UID_NAMES_CACHED_MAX:
            known.clear()
        known.update(found)
        keys |= found
    return keys
