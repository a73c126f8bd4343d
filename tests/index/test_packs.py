"""What the background work asks: which packs are known, dead, claimed; moving entries."""

from datetime import UTC, datetime, timedelta

import pytest

from longshore.errors import Conflict
from longshore.extent import Extent, pack_blob
from longshore.index import packs
from longshore.index.delete import delete
from longshore.index.locate import locate
from longshore.index.packs import DeadPack, Place
from longshore.index.store import store_batch
from tests.index.batches import INCONSISTENT, SEGMENT_BYTES, batch, instance, store

pytestmark = pytest.mark.anyio

A, B, C = ("a" * 32, "b" * 32, "c" * 32)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=5)


async def test_known_and_claimed(database, rows):
    await store(database, instance("1/1.1/a"), pack_id=A)
    assert await packs.known_packs(database, [A, B]) == {A}
    assert await packs.known_packs(database, []) == set()
    assert not await packs.claim_for_sweep(database, A)
    assert await packs.claim_for_sweep(database, B)
    assert await packs.known_packs(database, [A, B]) == {A}, "a claim is no pack"
    assert await packs.claim_for_sweep(database, B), "whoever claimed it may be gone"
    await packs.forget_pack(database, B)
    with pytest.raises(Conflict):
        await store(database, instance("1/1.1/b"), pack_id=B)
    assert await packs.dead_packs(database, dead_before=soon()) == []


async def test_dead_packs(database, rows):
    await store(database, instance("1/1.1/a"), instance("2/1.1/a"), pack_id=A)
    await store(database, instance("1/1.1/b"), pack_id=B)
    await store(database, instance("3/1.1/a"), pack_id=C)
    assert await packs.dead_packs(database, dead_before=soon()) == []
    await delete(database, partition_key=1, study_uid="1")
    lengths = dict(rows("SELECT pack_id, pack_length FROM pack"))
    found = await packs.dead_packs(database, dead_before=soon())
    assert sorted(found, key=str) == [DeadPack(A, lengths[A], 1), DeadPack(B, lengths[B], 0)]
    assert await packs.dead_packs(database, dead_before=LONG_AGO) == []
    await packs.forget_pack(database, B)
    await packs.forget_pack(database, A)
    assert await packs.known_packs(database, [A, B, C]) == {A, C}, "A has a live entry"


async def test_live_entries(database):
    pack, entries = batch(*[instance(f"1/1.1/{n}") for n in "cab"], pack_id=A)
    await store_batch(database, pack, entries)
    await delete(database, partition_key=1, study_uid="1", series_uid="1.1", sop_instance_uid="a")
    first, second = await packs.live_entries(database, A)
    assert (first.study_uid, first.series_uid, first.sop_instance_uid) == ("1", "1.1", "c")
    assert second.sop_instance_uid == "b", "in pack order"
    assert second.payload == Extent(pack_blob(A), entries[2].payload_offset, 1_000)
    assert second.segment == Extent(pack_blob(A), entries[2].segment_offset, SEGMENT_BYTES)
    assert (second.segment_plain_length, second.segment_crc32) == (900, 0xFEDC_BA98)
    assert await packs.live_entries(database, B) == []


async def test_moving_entries(database, rows):
    await store(database, *[instance(f"{n}/1.1/a") for n in range(4)], pack_id=A)
    await delete(database, partition_key=1, study_uid="0")
    live = await packs.live_entries(database, A)
    await delete(database, partition_key=1, study_uid="2")
    places = [Place(each.instance_key, 50 + 7 * n, 500 + n) for n, each in enumerate(live)]

    async def move(old: str, new: str, *, some=places):
        return await packs.move_entries(
            database, old_pack_id=old, new_pack_id=new, length=600, places=some, dead_at=LONG_AGO
        )

    assert await move(A, B) == 2, "one was deleted in the meantime"
    (found,) = await locate(database, partition_key=1, study_uid="3")
    assert found.instance_key == live[2].instance_key, "the same version"
    assert found.payload == Extent(pack_blob(B), 64, 1_000)
    assert found.segment == Extent(pack_blob(B), 502, SEGMENT_BYTES)
    assert rows("SELECT pack_id, entry_count, live_count, live_bytes FROM pack ORDER BY 1") == [
        (A, 4, 0, 0),
        (B, 3, 2, 2_000),
    ]
    assert [each.pack_id for each in await packs.dead_packs(database, dead_before=LONG_AGO)] == []
    before = LONG_AGO + timedelta(seconds=1)
    assert [each.pack_id for each in await packs.dead_packs(database, dead_before=before)] == [A]
    assert await move(A, C) == 0, "nothing is left to move"
    assert await move(C, "d" * 32, some=[]) == 0
    assert await move("e" * 32, "f" * 32) == 0, "no such pack"
    assert rows(INCONSISTENT) == []


async def test_moving_to_a_pack_that_was_claimed(database, rows):
    await store(database, instance("1/1.1/a"), pack_id=A)
    await packs.claim_for_sweep(database, B)
    (live,) = await packs.live_entries(database, A)
    with pytest.raises(Conflict, match=B):
        await packs.move_entries(
            database,
            old_pack_id=A,
            new_pack_id=B,
            length=600,
            places=[Place(live.instance_key, 50, 500)],
            dead_at=LONG_AGO,
        )
    assert await packs.live_entries(database, A) == [live]


async def test_one_process_at_a_time_reclaims(database):
    async with packs.reclaim_turn(database) as first:
        assert first
        async with packs.reclaim_turn(database) as second:
            assert not second
    async with packs.reclaim_turn(database) as third:
        assert third
