"""What a Store replaces: the rows of a version that is stored already go before the new one's come.

The same as a Delete and a Store in one transaction, but for the change feed, which has the creation
only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from longshore.index import sql
from longshore.index.arrays import array
from longshore.index.database import Connection
from longshore.index.new import NewInstance
from longshore.index.pipeline import Step, run

_SQL = sql.load_prepared("store_replace.sql")
_PACKS = sql.load_prepared("pack_counts.sql")


@dataclass(frozen=True, slots=True)
class Replaced:
    """An entry of a pack that lost its row to a newer version."""

    pack_id: str
    pack_key: int
    payload_offset: int
    length: int


async def delete_replaced(
    connection: Connection, entries: Sequence[NewInstance], positions: Sequence[int]
) -> list[Replaced]:
    """Deletes what is stored under the names of these entries, in one round trip.

    The caller's transaction has locked their studies as a Delete does, and looks up again behind
    this: a study or series of which nothing is left is a new one.

    Args:
        positions: n 0-based positions, at least one.
    """
    some = [entries[position] for position in positions]
    parameters = {
        "partition_keys": array([entry.partition_key for entry in some]),
        "study_uids": array([entry.instance.study_uid for entry in some]),
        "series_uids": array([entry.instance.series_uid for entry in some]),
        "sop_instance_uids": array([entry.instance.sop_instance_uid for entry in some]),
    }
    rows, _, _ = await run(
        connection,
        [
            Step(_SQL["delete_replaced"], parameters),
            Step(_SQL["delete_emptied_series"], parameters),
            Step(_SQL["delete_emptied_studies"], parameters),
        ],
    )
    return [
        Replaced((row[0] or b"").decode(), *(int(number or 0) for number in row[1:]))
        for row in rows
    ]


def count_replaced(replaced: Sequence[Replaced]) -> Iterator[Step]:
    """Yields what takes n replaced entries off their packs; others may wait for these."""
    if not replaced:
        return
    parameters = {
        "pack_keys": array([each.pack_key for each in replaced]),
        "payload_lengths": array([each.length for each in replaced]),
    }
    yield Step(_PACKS["lock_packs"], parameters)
    yield Step(_PACKS["count_packs"], parameters)
