"""Delete on three levels: what goes with it, what stays, what packs learn."""

import pytest

from longshore.errors import NotFound
from longshore.index.delete import DeadEntry, delete
from longshore.index.store import store_batch
from tests.index.batches import CHANGES, INCONSISTENT, batch, instance, store

pytestmark = pytest.mark.anyio

UIDS = ("1/1.1/a", "1/1.1/b", "1/1.2/a", "2/1.1/a")


@pytest.fixture
async def stored(database):
    """Four instances in two packs; returns the entries by their UIDs."""
    found = {}
    for pack_id, some in (("a" * 32, UIDS[:3:2]), ("b" * 32, UIDS[1::2])):
        pack, entries = batch(*map(instance, some), pack_id=pack_id)
        await store_batch(database, pack, entries)
        found |= {
            uids: DeadEntry(pack_id, entry.payload_offset)
            for uids, entry in zip(some, entries, strict=True)
        }
    return found


@pytest.mark.parametrize(
    ("uids", "gone", "series_left", "studies_left"),
    [
        (("1",), UIDS[:3], [("2", "1.1", 1)], ["2"]),
        (("1", "1.1"), UIDS[:2], [("1", "1.2", 1), ("2", "1.1", 1)], ["1", "2"]),
        (
            ("1", "1.1", "b"),
            UIDS[1:2],
            [("1", "1.1", 1), ("1", "1.2", 1), ("2", "1.1", 1)],
            ["1", "2"],
        ),
        (("1", "1.2", "a"), UIDS[2:3], [("1", "1.1", 2), ("2", "1.1", 1)], ["1", "2"]),
        (("2", "1.1", "a"), UIDS[3:], [("1", "1.1", 2), ("1", "1.2", 1)], ["1"]),
    ],
)
async def test_three_levels(database, rows, stored, uids, gone, series_left, studies_left):
    names = dict(zip(("study_uid", "series_uid", "sop_instance_uid"), uids, strict=False))
    dead = await delete(database, partition_key=1, **names)
    assert sorted(dead, key=str) == sorted([stored[each] for each in gone], key=str)
    assert (
        rows(
            "SELECT study_uid, series_uid, instance_count FROM series JOIN study USING (study_key)"
            " ORDER BY 1, 2"
        )
        == series_left
    )
    assert [uid for (uid,) in rows("SELECT study_uid FROM study ORDER BY 1")] == studies_left
    noted = rows(
        "SELECT study_uid, series_uid, sop_instance_uid FROM deleted_instance ORDER BY 1,2"
    )
    assert ["/".join(row) for row in noted] == list(gone)
    changes = rows(CHANGES)
    assert [row[:2] for row in changes[4:]] == [(5 + n, 1) for n in range(len(gone))]
    keys = [row[2] for row in changes[4:]]
    assert keys == sorted(keys)
    assert rows(INCONSISTENT) == []
    with pytest.raises(NotFound):
        await delete(database, partition_key=1, **names)
    assert rows("SELECT max(watermark) FROM change") == [(4 + len(gone),)]


@pytest.mark.parametrize(
    ("uids", "level"),
    [
        (("9",), "study"),
        (("9", "1.1"), "study"),
        (("9", "1.1", "a"), "study"),
        (("1", "9"), "series"),
        (("1", "9", "a"), "series"),
        (("1", "1.1", "9"), "instance"),
    ],
)
async def test_what_is_not_there_is_named_by_its_level(database, rows, stored, uids, level):
    names = dict(zip(("study_uid", "series_uid", "sop_instance_uid"), uids, strict=False))
    with pytest.raises(NotFound, match=f"^The specified {level} cannot be found.$"):
        await delete(database, partition_key=1, **names)
    assert [row[0] for row in rows(CHANGES)] == [1, 2, 3, 4]
    assert await delete(database, partition_key=1, study_uid="1")


async def test_another_partition_is_another_place(database, rows, stored):
    with pytest.raises(NotFound):
        await delete(database, partition_key=2, study_uid="1")
    assert rows("SELECT count(*) FROM instance") == [(4,)]


async def test_packs_count_what_is_left(database, rows, stored):
    await delete(database, partition_key=1, study_uid="1", series_uid="1.1")
    counts = "SELECT live_count, live_bytes, dead_at IS NULL FROM pack ORDER BY pack_id"
    assert rows(counts) == [(1, 1_000, False), (1, 1_000, False)]
    await delete(database, partition_key=1, study_uid="1")
    assert rows(counts) == [(0, 0, False), (1, 1_000, False)]


async def test_storing_again_makes_a_new_instance(database, rows, stored):
    ((before,),) = rows("SELECT instance_key FROM instance WHERE sop_instance_uid = 'b'")
    await delete(database, partition_key=1, study_uid="1")
    assert await store(database, instance("1/1.1/b")) == [True]
    ((after,),) = rows("SELECT instance_key FROM instance WHERE sop_instance_uid = 'b'")
    assert after != before
    assert rows(INCONSISTENT) == []
