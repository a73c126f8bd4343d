"""The queue of packs that wait for merging, and what lies beside a pack."""

from datetime import UTC, datetime, timedelta

import pytest

from longshore.index import merge
from longshore.index.delete import delete
from longshore.index.merge import DuePack, SmallPack
from tests.index.batches import instance, store

pytestmark = pytest.mark.anyio

SMALL = SmallPack(bytes_max=5_000, count_max=4)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=5)


def pack_id(number: int) -> str:
    return f"{number:032x}"


async def test_the_queue(database):
    await store(database, instance("1/1/a"), pack_id=pack_id(1))
    await store(database, *[instance(f"1/1/b{n}") for n in range(4)], pack_id=pack_id(2))
    await store(database, instance("1/1/c", length=5_000), pack_id=pack_id(3))
    await store(database, instance("2/1/a"), pack_id=pack_id(4))
    await delete(database, partition_key=1, study_uid="2")
    assert await merge.due_packs(database, SMALL, before=LONG_AGO) == []
    assert await merge.due_packs(database, SMALL, before=soon()) == [
        DuePack(pack_id(1), is_small=True),
        DuePack(pack_id(2), is_small=False),
        DuePack(pack_id(3), is_small=False),
        DuePack(pack_id(4), is_small=False),
    ]
    await merge.set_merge_at(database, [pack_id(number) for number in (2, 3, 4)], None)
    await merge.set_merge_at(database, [pack_id(1)], LONG_AGO)
    assert await merge.due_packs(database, SMALL, before=LONG_AGO) == [DuePack(pack_id(1), True)]


async def test_the_last_arrival_counts_in_every_series_of_a_pack(database, rows):
    await store(database, instance("1/1/a"), instance("2/2/a"), pack_id=pack_id(1))
    await store(database, instance("2/2/b"), pack_id=pack_id(2))
    await store(database, instance("3/3/a"), pack_id=pack_id(3))
    came = dict(rows("SELECT pack_id, created_at FROM pack"))
    assert await merge.last_arrival(database, pack_id(1)) == came[pack_id(2)]
    assert await merge.last_arrival(database, pack_id(3)) == came[pack_id(3)]
    assert await merge.last_arrival(database, pack_id(4)) is None


async def test_small_packs_of_the_same_series_are_related(database, monkeypatch):
    for number in range(1, 10):
        await store(database, instance(f"1/1/{number}"), pack_id=pack_id(number))
    await store(database, *[instance(f"1/1/b{n}") for n in range(4)], pack_id=pack_id(10))
    await store(database, instance("1/2/a"), instance("3/3/a"), pack_id=pack_id(11))
    await store(database, instance("1/1/z"), instance("3/3/b"), pack_id=pack_id(12))
    await store(database, instance("4/1/a"), pack_id=pack_id(13))

    async def related(number: int) -> list[int]:
        found = await merge.related_packs(database, SMALL, pack_id(number))
        return [int(each.pack_id, 16) for each in found]

    assert await related(1) == [*range(1, 10), 12]
    assert await related(11) == [11, 12], "not the rest of its study"
    assert await related(12) == [*range(1, 10), 11, 12]
    assert await related(13) == [13]
    monkeypatch.setattr(merge, "REACH_COUNT", 3)
    assert await related(5) == [2, 3, 4, 5, 6, 7], "in reach only"


async def test_looking_costs_little_however_much_is_stored(database, rows):
    """By an index, not by reading all packs: what waits is few."""
    rows(
        "INSERT INTO pack (pack_id, pack_length, live_bytes, entry_count, live_count, merge_at)"
        " SELECT lpad(n::text, 32, '0'), 9, 9, 1, 1, NULL FROM generate_series(1, 100000) AS n"
    )
    await store(database, instance("1/1/a"), pack_id="f" * 32)
    rows("ANALYZE pack")
    for name in ("due_packs", "set_merge_at"):
        parameters = {
            "pack_bytes_max": 1,
            "pack_count_max": 1,
            "before": soon(),
            "limit": 500,
            "merge_at": LONG_AGO,
            "pack_ids": ["f" * 32],
        }
        async with database.connection() as connection:
            cursor = await connection.execute("EXPLAIN " + merge._SQL[name], parameters)
            plan = "\n".join(row[0] for row in await cursor.fetchall())
        assert "Index Scan" in plan, plan
        assert "Seq Scan" not in plan, plan
