"""The change feed as the model reads it: states, windows of watermarks, windows of time."""

from datetime import UTC, datetime, timedelta

import pytest

from longshore.index.changes import changes_after, changes_between, latest
from longshore.index.delete import delete
from longshore.index.locate import locate
from tests.index.batches import instance, store

pytestmark = pytest.mark.anyio

ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


async def states(database):
    return [
        (each.watermark, each.action, each.state)
        for each in await changes_after(database, watermark=0, limit=100)
    ]


async def test_the_states_of_one_instance(database):
    assert await latest(database) is None
    assert await states(database) == []
    await store(database, instance("1/1.1/a"))
    assert await states(database) == [(1, "create", "current")]
    await delete(database, partition_key=1, study_uid="1")
    gone = [(1, "create", "deleted"), (2, "delete", "deleted")]
    assert await states(database) == gone
    await store(database, instance("1/1.1/b"), instance("1/1.2/a"), instance("2/1.1/a"))
    assert (await states(database))[:2] == gone, "other UIDs do not replace it"
    await store(database, instance("1/1.1/a"))
    found = await states(database)
    assert found[:2] == [(1, "create", "replaced"), (2, "delete", "replaced")]
    assert found[-1] == (6, "create", "current")


async def test_every_entry_has_the_current_version_of_its_own_uids(database, rows):
    rows("INSERT INTO partition (partition_name) VALUES ('second')")
    await store(database, instance("1/1.1/a"), instance("1/1.1/b"))
    await delete(database, partition_key=1, study_uid="1", series_uid="1.1", sop_instance_uid="a")
    await store(database, instance("1/1.1/a"), partition_key=2)
    first, second, third, fourth = await changes_after(database, watermark=0, limit=10)
    assert (first.state, third.state) == ("deleted", "deleted"), "not the other partition's"
    assert [each.partition_name for each in (first, fourth)] == ["Microsoft.Default", "second"]
    assert first.located is None
    names = (second.study_uid, second.series_uid, second.sop_instance_uid)
    assert names == ("1", "1.1", "b")
    assert (third.study_uid, third.series_uid, third.sop_instance_uid) == ("1", "1.1", "a")
    assert [second.located] == await locate(database, partition_key=1, study_uid="1")
    assert [fourth.located] == await locate(database, partition_key=2, study_uid="1")
    await store(database, instance("1/1.1/a"))
    found = await changes_after(database, watermark=0, limit=10)
    assert found[0].located == found[2].located == found[4].located != found[3].located
    assert found[0].located is not None
    assert found[0].located.sop_instance_uid == "a"
    assert await latest(database) == found[4]


async def test_windows_of_watermarks(database):
    await store(database, *[instance(f"1/1.1/{n:03}") for n in range(30)])

    async def page(watermark: int, limit: int):
        found = await changes_after(database, watermark=watermark, limit=limit)
        return [each.watermark for each in found]

    assert await page(0, 10) == list(range(1, 11))
    assert await page(10, 1) == [11]
    assert await page(25, 10) == [26, 27, 28, 29, 30]
    assert await page(30, 10) == []
    assert await page(2**63 - 1, 100) == []


async def test_windows_of_time(database):
    for n in range(5):
        await store(database, *[instance(f"1/{n}/{m}") for m in range(4)])
    every = await changes_after(database, watermark=0, limit=100)
    times = sorted({each.changed_at for each in every})
    assert len(times) == 5
    assert times[0].utcoffset() == timedelta(0)

    async def page(start=ALWAYS, end=NEVER, skip=0, limit=200):
        found = await changes_between(database, start=start, end=end, skip=skip, limit=limit)
        return [each.watermark for each in found]

    assert await page() == list(range(1, 21))
    assert await page(limit=3) == [1, 2, 3]
    assert await page(skip=3, limit=3) == [4, 5, 6]
    assert await page(start=times[1]) == list(range(5, 21)), "the start belongs to it"
    assert await page(end=times[1]) == [1, 2, 3, 4], "the end does not"
    assert await page(start=times[1], end=times[3], skip=6, limit=5) == [11, 12]
    assert await page(start=times[4] + timedelta(microseconds=1)) == []
    assert await page(skip=20) == []
    assert await page(skip=2**63 - 1) == []
    assert await page(start=times[2], end=times[2]) == []


async def test_time_never_runs_backwards(database, rows):
    await store(database, instance("1/1/1"))
    rows("UPDATE change_head SET changed_at = now() + interval '1 hour'")
    await store(database, instance("1/1/2"))
    await delete(database, partition_key=1, study_uid="1")
    found = await changes_after(database, watermark=0, limit=10)
    assert found[0].changed_at < found[1].changed_at == found[2].changed_at
    assert found[1].changed_at > datetime.now(UTC) + timedelta(minutes=50)


async def test_pages_of_a_long_feed_are_found_by_indexes(database, rows, alone, settled):
    rows(
        "INSERT INTO change SELECT n, '2020-01-01Z'::timestamptz + n * interval '1 s', n, 1, 0"
        " FROM generate_series(1, 50000) AS n"
    )
    rows(
        "INSERT INTO deleted_instance SELECT n, now(), '1', '2', n FROM generate_series(1, 50000) n"
    )
    rows("ANALYZE change, deleted_instance")
    start = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=30_000)
    rows_read = (
        "SELECT sum(seq_tup_read + COALESCE(idx_tup_fetch, 0)) FROM pg_stat_user_tables"
        " WHERE relname IN ('change', 'deleted_instance')"
    )

    async with alone(database) as fresh:
        before = await settled(rows_read)
        found = await changes_between(fresh, start=start, end=NEVER, skip=19_000, limit=3)
        assert [each.watermark for each in found] == [49_000, 49_001, 49_002]
        found = await changes_after(fresh, watermark=49_990, limit=3)
        assert [each.sop_instance_uid for each in found] == ["49991", "49992", "49993"]
    assert 12 <= await settled(rows_read) - before <= 20
