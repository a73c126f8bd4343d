"""Many transactions at once: no deadlock, no orphan, no change lost or seen twice."""

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import errors as sql_errors

from longshore.errors import Conflict, NotFound, Unavailable
from longshore.index.changes import changes_after
from longshore.index.database import retried
from longshore.index.delete import delete
from longshore.index.moves import Move, Place, move_entries
from longshore.index.packs import claim_for_sweep, live_entries
from longshore.index.store import store_batch
from tests.index.batches import INCONSISTENT, batch, instance, store

pytestmark = pytest.mark.anyio

DEAD_AT = datetime(2020, 1, 1, tzinfo=UTC)


def deadlocks(rows) -> int:
    rows("SELECT pg_stat_force_next_flush()")
    ((count,),) = rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return count


async def test_batches_of_the_same_studies_in_opposite_order(database, rows):
    async def writer(number: int, step: int):
        for turn in range(15):
            studies = list(range(8))[::step]
            await store(
                database,
                *[
                    instance(
                        f"1.{study}/2.{study}/3.{number}.{turn}",
                        {"PatientID": f"{number}.{turn}", "Modality": f"{number}"},
                    )
                    for study in studies
                ],
            )

    await asyncio.gather(*[writer(number, (1, -1)[number % 2]) for number in range(6)])
    assert deadlocks(rows) == 0
    assert rows("SELECT count(*) FROM instance") == [(6 * 15 * 8,)]
    assert rows(INCONSISTENT) == []


async def test_the_same_instances_at_once_are_stored_once(database, rows):
    for turn in range(10):
        new = [instance(f"1.{turn}/2/{n}", {"PatientID": str(n)}) for n in range(20)]
        outcomes = await asyncio.gather(
            store(database, *new), store(database, *reversed(new)), store(database, *new[5:15])
        )
        outcomes[1].reverse()
        counts = [a + b for a, b in zip(outcomes[0], outcomes[1], strict=True)]
        for position, is_stored in enumerate(outcomes[2], 5):
            counts[position] += is_stored
        assert counts == [1] * 20
    assert deadlocks(rows) == 0
    assert rows(INCONSISTENT) == []


async def test_storing_into_a_study_that_is_being_deleted(database, rows):
    rounds = 200
    patterns: list[dict[str, Any]] = [
        {"study_uid": "1.1"},
        {"study_uid": "1.1", "series_uid": "2.1"},
        {"study_uid": "1.1", "series_uid": "2.1", "sop_instance_uid": "3.1"},
    ]
    chosen = random.Random(1)  # noqa: S311

    async def storing(number: int):
        for turn in range(rounds):
            new = [instance(f"1.1/2.1/3.{number}.{turn}"), instance(f"1.{number}/2.1/3.{turn}")]
            new.append(instance("1.1/2.1/3.1", {"PatientID": f"{number}.{turn}"}))
            await store(database, *new)

    async def deleting():
        for turn in range(rounds):
            try:
                await delete(database, partition_key=1, **patterns[turn % 3])
            except NotFound:
                await asyncio.sleep(chosen.random() / 500)

    await asyncio.gather(storing(1), storing(2), deleting(), deleting())
    assert deadlocks(rows) == 0
    assert rows(INCONSISTENT) == []
    assert rows("SELECT count(*) > 100 FROM deleted_instance") == [(True,)]


async def test_batches_of_one_study_do_not_wait_for_one_another(database, dsn):
    """Nothing new of a study: no lock on it that another batch's merging would be in the way of."""
    await store(database, instance("1.1/2.1/3.1", {"StudyID": "same"}))
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        await other.execute("SELECT FROM study FOR NO KEY UPDATE")
        async with asyncio.timeout(5):
            same = {"StudyID": "same"}
            assert await store(database, instance("1.1/2.2/3.1", same)) == [True]
            assert await store(database, instance("1.1/2.1/3.2", same)) == [True]
        waiting = asyncio.create_task(store(database, instance("1.1/2.2/3.2", {"StudyID": "new"})))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done, "it says something new, so it waits"
        await other.rollback()
    assert await waiting == [True]


async def poll(database, is_over: asyncio.Event) -> list[int]:
    """Reads the feed as v1 does until nothing more can come; returns the watermarks seen."""
    seen: list[int] = []
    while True:
        was_over = is_over.is_set()
        found = await changes_after(database, watermark=len(seen), limit=50)
        if not found and was_over:
            return seen
        seen.extend(each.watermark for each in found)
        await asyncio.sleep(0)


async def claimed(database, *instances) -> int:
    """A batch that fails when it names its pack."""
    pack, entries = batch(*instances)
    await claim_for_sweep(database, pack.pack_id)
    with pytest.raises(Conflict):
        await store_batch(database, pack, entries)
    return 0


async def rolled_back(dsn: str) -> int:
    """A transaction that takes watermarks and fails behind that."""
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        await other.execute("UPDATE change_head SET watermark = watermark + 3")
        await asyncio.sleep(0.002)
        await other.rollback()
    return 0


async def stored_and_deleted(database, *instances) -> int:
    stored = await store(database, *instances)
    first = instances[0]
    gone = await delete(
        database,
        partition_key=1,
        study_uid=first.study_uid,
        series_uid=first.series_uid,
        sop_instance_uid=first.sop_instance_uid,
    )
    return sum(stored) + len(gone)


async def write(database, dsn: str, number: int) -> int:
    """Writes 25 times, in one way or another; returns how many changes that made."""
    chosen = random.Random(number)  # noqa: S311
    count = 0
    for turn in range(25):
        uids = f"1.{chosen.randrange(4)}/2.{number % 3}/3.{number}.{turn}"
        new = [instance(f"{uids}.{n}") for n in range(chosen.randrange(1, 5))]
        match chosen.randrange(4):
            case 0:
                count += await claimed(database, *new)
            case 1:
                count += await rolled_back(dsn)
            case 2:
                count += await stored_and_deleted(database, *new)
            case _:
                stored = await store(database, *new)
                count += sum(stored)
    return count


async def test_a_poller_sees_every_change_once_and_in_order(database, rows, dsn):
    is_over = asyncio.Event()
    poller = asyncio.create_task(poll(database, is_over))
    counts = await asyncio.gather(*[write(database, dsn, number) for number in range(8)])
    is_over.set()
    assert await poller == list(range(1, sum(counts) + 1))
    assert sum(counts) > 100
    assert rows(INCONSISTENT) == []


async def moved(database, old_pack_ids, new_pack_id: str) -> int:
    """Moves what lives in packs, as `services.copying` does; returns how many entries."""
    live = await live_entries(database, old_pack_ids)
    places = {each.instance_key: Place(each.instance_key, each.payload.offset, 9) for each in live}
    move = Move(old_pack_ids, new_pack_id, 99, len(live), DEAD_AT)
    try:
        while places and (gone := await move_entries(database, move, list(places.values()))):
            for key in gone:
                del places[key]
    except Conflict:
        return 0
    return len(places)


async def test_moving_entries_while_they_are_deleted_and_added_to(database, rows):
    moved_count = 0
    for turn in range(40):
        pack_ids = [f"a{turn:029x}{half:02x}" for half in range(2)]
        for half, pack_id in enumerate(pack_ids):
            uids = [f"1.{n % 3}/2.{turn}/3.{n}.{half}" for n in range(9)]
            await store(database, *[instance(each) for each in uids], pack_id=pack_id)
        *_, first, second = await asyncio.gather(
            delete(database, partition_key=1, study_uid="1.1"),
            delete(database, partition_key=1, study_uid="1.2", series_uid=f"2.{turn}"),
            store(database, instance(f"1.1/2.{turn}/4"), instance(f"1.2/2.{turn}/4")),
            moved(database, pack_ids, f"b{turn:031x}"),
            moved(database, pack_ids[::-1], f"c{turn:031x}"),
        )
        assert first == 0 or second == 0
        moved_count += first + second
    assert moved_count >= 40 * 6
    assert deadlocks(rows) == 0
    assert rows(INCONSISTENT) == []


async def test_what_loses_is_tried_again():
    attempts = 0

    async def attempt():
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise sql_errors.DeadlockDetected
        return "done"

    assert await retried(attempt) == "done"
    assert attempts == 3


async def test_what_always_loses_is_told_to_come_again():
    async def attempt():
        raise sql_errors.SerializationFailure

    with pytest.raises(Unavailable):
        await retried(attempt)
