"""Studies that are stored for a time: the last Store decides, and a race loses nothing."""

import asyncio

import pytest

from longshore.errors import NotFound
from longshore.index.delete import delete
from longshore.index.expiry import due_studies
from longshore.index.new import StoreTerms
from tests.index.batches import INCONSISTENT, instance, store

pytestmark = pytest.mark.anyio

AT_ONCE, LATER = StoreTerms(expires_after_ms=1), StoreTerms(expires_after_ms=3_600_000)
EXPIRY = "SELECT study_uid, round(extract(epoch FROM expires_at - now()) / 60) FROM study"

COUNTS = "SELECT study_uid, instance_count FROM series JOIN study USING (study_key)"


async def due(database):
    await asyncio.sleep(0.01)
    return [study.study_uid for study in await due_studies(database, limit=10)]


async def test_the_last_store_decides(database, rows):
    await store(database, instance("1/2/3"), terms=AT_ONCE)
    assert await due(database) == ["1"]
    await store(database, instance("1/2/4"), terms=LATER)
    assert await due(database) == []
    assert rows(EXPIRY) == [("1", 60)]
    await store(database, instance("1/2/5"))
    assert rows(EXPIRY) == [("1", None)]
    await store(database, instance("1/2/6"), terms=AT_ONCE)
    assert await due(database) == ["1"]


async def test_a_duplicate_decides_nothing(database, rows):
    await store(database, instance("1/2/3"), terms=LATER)
    assert await store(database, instance("1/2/3")) == [False]
    assert rows(EXPIRY) == [("1", 60)]


async def test_other_studies_of_the_batch_are_left_alone(database, rows):
    await store(database, instance("1/2/3"), instance("2/2/3"), terms=LATER)
    await store(database, instance("2/2/4"), instance("3/2/4"))
    assert sorted(rows(EXPIRY)) == [("1", 60), ("2", None), ("3", None)]


async def test_replacing_sets_and_cancels(database, rows):
    await store(database, instance("1/2/3"), terms=StoreTerms(True, 3_600_000))
    assert rows(EXPIRY) == [("1", 60)]
    await store(database, instance("1/2/3"), terms=StoreTerms(replaces=True))
    assert rows(EXPIRY) == [("1", None)]
    assert rows(INCONSISTENT) == []


async def test_only_what_is_due_is_deleted(database, rows):
    await store(database, instance("1/2/3"), terms=LATER)
    await store(database, instance("2/2/3"), terms=AT_ONCE)
    assert await due(database) == ["2"]
    with pytest.raises(NotFound):
        await delete(database, partition_key=1, study_uid="1", is_only_due=True)
    await delete(database, partition_key=1, study_uid="2", is_only_due=True)
    assert rows("SELECT study_uid FROM study") == [("1",)]
    assert rows(INCONSISTENT) == []


async def test_a_store_that_comes_first_keeps_the_study(database, rows):
    """Found due, then stored to, then deleted: the deletion looks again, under its lock."""
    for turn in range(20):
        name = f"1.{turn}"
        await store(database, instance(f"{name}/2/3"), terms=AT_ONCE)
        assert name in await due(database)
        outcomes = await asyncio.gather(
            store(database, instance(f"{name}/2/4")),
            delete(database, partition_key=1, study_uid=name, is_only_due=True),
            return_exceptions=True,
        )
        assert outcomes[0] == [True], "stored, whoever came first"
        was_deleted = not isinstance(outcomes[1], NotFound)
        assert dict(rows(COUNTS))[name] == (1 if was_deleted else 2)
    assert rows(INCONSISTENT) == []
