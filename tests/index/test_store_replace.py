"""What replaces: one version in the index, one in the feed, counts right, others unharmed."""

import asyncio
import random

import pytest

from longshore.errors import NotFound
from longshore.index.changes import changes_after
from longshore.index.delete import delete
from longshore.index.new import StoreTerms
from longshore.index.store import store_batch
from tests.index.batches import CHANGES, INCONSISTENT, batch, instance, store

pytestmark = pytest.mark.anyio

REPLACES = StoreTerms(replaces=True)
STUDY = "SELECT study_uid, patient_id, study_description, attributes FROM study"
SERIES = "SELECT series_uid, modality, instance_count, attributes FROM series"


def keys(rows):
    return [row[0] for row in rows("SELECT instance_key FROM instance ORDER BY instance_key")]


async def test_the_new_version_stands_alone(database, rows):
    await store(database, instance("1/2/3", {"PatientID": "A", "Modality": "CT"}))
    [old_key] = keys(rows)
    pack, entries = batch(instance("1/2/3", {"PatientID": "B"}), terms=REPLACES)
    indexed = await store_batch(database, pack, entries)
    assert indexed.are_stored == [True]
    [replaced] = indexed.replaced
    assert rows("SELECT pack_id FROM pack WHERE live_count = 0") == [(replaced.pack_id,)]
    [new_key] = keys(rows)
    assert new_key > old_key
    assert rows(INCONSISTENT) == []
    [(_, patient_id, _, attributes)] = rows(STUDY)
    assert patient_id == "b"
    assert attributes["00100020"]["Value"] == ["B"]
    [(_, modality, count, attributes)] = rows(SERIES)
    assert (modality, count) == (None, 1), "nothing is left of a version that is replaced entirely"
    assert "00080060" not in attributes


async def test_what_the_feed_says(database):
    await store(database, instance("1/2/3"))
    await store(database, instance("1/2/3"), terms=REPLACES)
    await store(database, instance("1/2/3"), instance("1/2/4"), terms=REPLACES)
    changes = await changes_after(database, watermark=0, limit=100)
    assert [(each.action, each.state) for each in changes] == [
        ("create", "replaced"),
        ("create", "replaced"),
        ("create", "current"),
        ("create", "current"),
    ]
    assert [each.watermark for each in changes] == [1, 2, 3, 4]
    await delete(database, partition_key=1, study_uid="1")
    changes = await changes_after(database, watermark=0, limit=100)
    assert [each.state for each in changes] == ["deleted"] * 6


async def test_others_of_the_study_keep_their_say(database, rows):
    first = instance("1/2/3", {"PatientID": "A", "StudyDescription": "D"})
    await store(database, first, instance("1/2/4"))
    await store(database, instance("1/2/3", {"PatientID": "B"}), terms=REPLACES)
    [(_, patient_id, description, _)] = rows(STUDY)
    assert (patient_id, description) == ("b", "d")
    assert rows("SELECT instance_count FROM series") == [(2,)]
    assert rows(INCONSISTENT) == []


async def test_what_is_new_is_stored(database, rows):
    assert await store(database, instance("1/2/3"), terms=REPLACES) == [True]
    assert len(rows(CHANGES)) == 1
    assert rows(INCONSISTENT) == []


async def test_one_partition_does_not_replace_in_another(database, rows):
    rows("INSERT INTO partition (partition_name) VALUES ('other') RETURNING partition_key")
    await store(database, instance("1/2/3"))
    await store(database, instance("1/2/3"), partition_key=2, terms=REPLACES)
    assert len(keys(rows)) == 2
    assert rows("SELECT count(*) FROM deleted_instance") == [(0,)]


async def test_in_one_batch_with_those_that_do_not_replace(database, rows):
    await store(database, instance("1/2/3"), instance("1/2/4"))
    pack, entries = batch(instance("1/2/3"), instance("1/2/4"), instance("1/2/5"))
    entries[1] = entries[1]._replace(terms=REPLACES)
    indexed = await store_batch(database, pack, entries)
    assert indexed.are_stored == [False, True, True]
    assert len(indexed.replaced) == 1
    assert rows(INCONSISTENT) == []


async def test_a_pack_that_is_not_durable_replaces_nothing(database, rows):
    await store(database, instance("1/2/3"))
    before = keys(rows)
    pack, entries = batch(instance("1/2/3"), terms=REPLACES)
    durable = asyncio.get_running_loop().create_future()
    durable.set_exception(OSError("the disk is gone"))
    with pytest.raises(OSError, match="disk"):
        await store_batch(database, pack, entries, durable=durable)
    assert keys(rows) == before
    assert rows(INCONSISTENT) == []


async def test_replacing_storing_and_deleting_at_once(database, rows):
    """Every replacement is stored, whatever becomes of the others."""
    rounds = 60
    chosen = random.Random(1)  # noqa: S311
    names = [f"1/{series}/{number}" for series in (1, 2) for number in range(4)]

    async def replacing():
        for turn in range(rounds):
            some = [instance(n, {"PatientID": f"{turn}"}) for n in chosen.sample(names, 5)]
            assert await store(database, *some, terms=REPLACES) == [True] * 5

    async def storing():
        for _ in range(rounds):
            await store(database, *[instance(name) for name in chosen.sample(names, 3)])

    async def deleting():
        for turn in range(rounds):
            study, series, sop = names[turn % len(names)].split("/")
            try:
                await delete(
                    database,
                    partition_key=1,
                    study_uid=study,
                    series_uid=series if turn % 3 else None,
                    sop_instance_uid=sop if turn % 3 == 1 else None,
                )
            except NotFound:
                await asyncio.sleep(0.001)

    await asyncio.gather(replacing(), replacing(), storing(), storing(), deleting())
    assert rows(INCONSISTENT) == []
    assert rows("SELECT count(*) > 100 FROM deleted_instance") == [(True,)]
