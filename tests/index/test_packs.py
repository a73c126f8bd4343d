"""What the background work asks: which packs are known, dead, claimed; moving entries."""

from datetime import UTC, datetime, timedelta

import pytest

from longshore.errors import Conflict
from longshore.extent import Extent, pack_blob
from longshore.index import packs
from longshore.index.delete import delete
from longshore.index.locate import locate
from longshore.index.locks import Lock
from longshore.index.moves import Move, Place, move_entries
from longshore.index.store import store_batch
from longshore.index.turns import take_turn
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
    assert [(each.pack_id, each.length, each.live_count) for each in found] == [
        (A, lengths[A], 1),
        (B, lengths[B], 0),
    ]
    assert await packs.dead_packs(database, dead_before=soon(), behind=found[0]) == found[1:]
    assert await packs.dead_packs(database, dead_before=soon(), behind=found[1]) == []
    assert await packs.dead_packs(database, dead_before=LONG_AGO) == []
    await packs.forget_pack(database, B)
    await packs.forget_pack(database, A)
    assert await packs.known_packs(database, [A, B, C]) == {A, C}, "A has a live entry"


async def test_a_pack_waits_for_its_first_death_if_something_lives_and_else_for_its_last(
    database, rows
):
    await store(database, *[instance(f"{n}/1.1/a") for n in "123"], pack_id=A)
    await delete(database, partition_key=1, study_uid="1")
    rows("UPDATE pack SET dead_since = %s, dead_at = %s", LONG_AGO, LONG_AGO)
    await delete(database, partition_key=1, study_uid="2")
    before = LONG_AGO + timedelta(seconds=1)
    (found,) = await packs.dead_packs(database, dead_before=before)
    assert (found.pack_id, found.dead_since) == (A, LONG_AGO)
    await delete(database, partition_key=1, study_uid="3")
    assert await packs.dead_packs(database, dead_before=before) == []
    (found,) = await packs.dead_packs(database, dead_before=soon())
    assert found.live_count == 0


async def test_live_entries(database):
    numbers = {"c": "3", "a": "9", "b": "1"}
    pack, entries = batch(
        *[instance(f"1/1.1/{n}", {"InstanceNumber": numbers[n]}) for n in "cab"], pack_id=A
    )
    await store_batch(database, pack, entries)
    await store(database, instance("1/1.1/d", {"InstanceNumber": "2"}), pack_id=B)
    await delete(database, partition_key=1, study_uid="1", series_uid="1.1", sop_instance_uid="a")
    first, second, third = await packs.live_entries(database, [B, A])
    assert (first.study_uid, first.series_uid, first.sop_instance_uid) == ("1", "1.1", "b")
    assert (second.sop_instance_uid, second.pack_id) == ("d", B), "as a Retrieve asks for them"
    assert third.sop_instance_uid == "c"
    assert first.payload == Extent(pack_blob(A), entries[2].payload_offset, 1_000)
    assert first.segment == Extent(pack_blob(A), entries[2].segment_offset, SEGMENT_BYTES)
    assert (first.segment_plain_length, first.segment_crc32) == (900, 0xFEDC_BA98)
    assert await packs.live_entries(database, [C]) == []


def move_to(new: str, *old: str, count: int) -> Move:
    return Move(old, new, length=600, entry_count=count, dead_at=LONG_AGO)


async def test_moving_entries(database, rows):
    await store(database, *[instance(f"{n}/1.1/a") for n in range(4)], pack_id=A)
    await store(database, instance("9/1.1/a"), pack_id=C)
    await delete(database, partition_key=1, study_uid="0")
    ((died_at,),) = rows("SELECT dead_at FROM pack WHERE pack_id = %s", A)
    ((came_at,),) = rows("SELECT created_at FROM pack WHERE pack_id = %s", C)
    live = await packs.live_entries(database, [A, C])
    await delete(database, partition_key=1, study_uid="2")
    places = [Place(each.instance_key, 50 + 7 * n, 500 + n) for n, each in enumerate(live)]
    move = move_to(B, A, C, count=4)

    gone = await move_entries(database, move, places)
    assert gone == {live[1].instance_key}, "it was deleted in the meantime"
    assert rows("SELECT FROM pack WHERE pack_id = %s", B) == [], "so nothing was moved"
    assert await move_entries(database, move, [places[0], *places[2:]]) == set()
    (found,) = await locate(database, partition_key=1, study_uid="3")
    assert found.instance_key == live[2].instance_key, "the same version"
    assert found.payload == Extent(pack_blob(B), 64, 1_000)
    assert found.segment == Extent(pack_blob(B), 502, SEGMENT_BYTES)
    assert rows("SELECT pack_id, entry_count, live_count, live_bytes FROM pack ORDER BY 1") == [
        (A, 4, 0, 0),
        (B, 4, 3, 3_000),
        (C, 1, 0, 0),
    ]
    ((created_at, merge_at),) = rows("SELECT created_at, merge_at FROM pack WHERE pack_id = %s", B)
    assert (created_at, merge_at) == (came_at, None), "moving is no arrival"
    assert rows("SELECT dead_at > %s FROM pack WHERE pack_id = %s", died_at, A) == [(True,)]
    assert [each.pack_id for each in await packs.dead_packs(database, dead_before=LONG_AGO)] == []
    before = LONG_AGO + timedelta(seconds=1)
    assert [each.pack_id for each in await packs.dead_packs(database, dead_before=before)] == [C]
    with pytest.raises(Conflict, match="elsewhere"):
        await move_entries(database, move_to("d" * 32, A, C, count=3), [places[0], *places[2:]])
    assert rows(INCONSISTENT) == []


async def test_moving_to_a_pack_that_was_claimed(database, rows):
    await store(database, instance("1/1.1/a"), pack_id=A)
    await packs.claim_for_sweep(database, B)
    live = await packs.live_entries(database, [A])
    place = Place(live[0].instance_key, 50, 500)
    with pytest.raises(Conflict, match=B):
        await move_entries(database, move_to(B, A, count=1), [place])
    assert await packs.live_entries(database, [A]) == live


async def test_one_process_at_a_time_reclaims(database):
    async with take_turn(database, Lock.RECLAIM) as first:
        assert first
        async with take_turn(database, Lock.RECLAIM) as second:
            assert not second
        async with take_turn(database, Lock.EXPIRE) as other:
            assert other
    async with take_turn(database, Lock.RECLAIM) as third:
        assert third
