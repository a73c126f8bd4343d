"""Where instances and frames lie, and what is said of those that lie nowhere."""

from typing import Any

import pytest

from longshore.errors import NotFound
from longshore.extent import Extent
from longshore.index.locate import locate, locate_frames
from longshore.index.store import store_batch
from tests.index.batches import EXPLICIT, SEGMENT_BYTES, batch, instance, store

pytestmark = pytest.mark.anyio

ONE: dict[str, Any] = {
    "partition_key": 1,
    "study_uid": "1",
    "series_uid": "1.1",
    "sop_instance_uid": "a",
}


async def test_one_instance(database):
    new = instance(
        "1/1.1/a",
        {"BitsAllocated": "16"},
        sop_class_uid="9.9",
        frame_count=2,
        has_bulkdata_uri=True,
    )
    pack, entries = batch(instance("1/1.0/z"), new, pack_id="0" * 30 + "7f")
    await store_batch(database, pack, entries)
    (found,) = await locate(database, **ONE)
    assert (found.study_uid, found.series_uid, found.sop_instance_uid) == ("1", "1.1", "a")
    assert (found.sop_class_uid, found.transfer_syntax_uid) == ("9.9", EXPLICIT)
    blob = f"packs/7f/{pack.pack_id}.zip"
    assert found.payload == Extent(blob, entries[1].payload_offset, 1_000)
    assert found.segment == Extent(blob, entries[1].segment_offset, SEGMENT_BYTES)
    assert (found.segment_plain_length, found.segment_crc32) == (900, 0xFEDC_BA98)
    assert (found.frame_count, found.bits_allocated) == (2, 16)
    assert found.has_bulkdata_uri


async def test_order_and_levels(database):
    numbers = {"1.2/c": "10", "1.2/d": "9", "1.2/a": None, "1.2/b": None, "1.1/e": "1"}
    for name, number in numbers.items():
        await store(database, instance(f"1/{name}", {"InstanceNumber": number} if number else {}))
    await store(database, instance("2/1.2/a"))

    async def uids(**names):
        found = await locate(database, partition_key=1, **names)
        return [f"{each.series_uid}/{each.sop_instance_uid}" for each in found]

    series = ["1.2/d", "1.2/c", "1.2/a", "1.2/b"]
    assert await uids(study_uid="1") == [*series, "1.1/e"]
    assert await uids(study_uid="1", series_uid="1.2") == series
    assert await uids(study_uid="1", series_uid="1.2", sop_instance_uid="c") == ["1.2/c"]


@pytest.mark.parametrize(
    ("names", "level"),
    [
        ({"study_uid": "9"}, "study"),
        ({"study_uid": "1", "partition_key": 2}, "study"),
        ({"study_uid": "9", "series_uid": "1.1"}, "study"),
        ({"study_uid": "1", "series_uid": "9"}, "series"),
        ({"study_uid": "1", "series_uid": "9", "sop_instance_uid": "a"}, "series"),
        ({"study_uid": "1", "series_uid": "1.1", "sop_instance_uid": "9"}, "instance"),
    ],
)
async def test_what_is_not_there_is_named_by_its_level(database, names, level):
    await store(database, instance("1/1.1/a"))
    text = f"^The specified {level} cannot be found.$"
    with pytest.raises(NotFound, match=text):
        await locate(database, **({"partition_key": 1} | names))
    if "sop_instance_uid" in names:
        with pytest.raises(NotFound, match=text):
            await locate_frames(database, partition_key=1, **names, frame_numbers=[1])


async def test_native_frames(database):
    await store(database, instance("1/1.1/a", frame_count=4, pixel_offset=700, frame_bits=12))
    source = await locate_frames(database, **ONE, frame_numbers=[4, 1, 4])
    assert source.is_native
    assert (source.pixel_offset, source.frame_bits) == (700, 12)
    assert list(source.frame_indices) == [3, 0, 3]
    assert [source.located] == await locate(database, **ONE)


def frame_table(count: int) -> bytes:
    return b"".join(
        (2**40 + 100 * n).to_bytes(6, "little") + (50 + n).to_bytes(6, "little")
        for n in range(count)
    )


async def test_encapsulated_frames(database):
    await store(database, instance("1/1.1/a", frame_count=5, frame_table=frame_table(5)))
    source = await locate_frames(database, **ONE, frame_numbers=[5, 2, 2])
    assert not source.is_native
    assert source.extents == [(2**40 + 400, 54), (2**40 + 100, 51), (2**40 + 100, 51)]


@pytest.mark.parametrize("numbers", [[6], [1, 6], [0], [-1], [2**31], [2**64]])
async def test_frames_that_are_not_there(database, numbers):
    await store(database, instance("1/1.1/a", frame_count=5, frame_table=frame_table(5)))
    with pytest.raises(NotFound, match="frame"):
        await locate_frames(database, **ONE, frame_numbers=numbers)


async def test_an_instance_without_frames(database):
    await store(database, instance("1/1.1/a"))
    with pytest.raises(NotFound, match="frame"):
        await locate_frames(database, **ONE, frame_numbers=[1])


async def test_frames_cost_the_same_in_a_long_table(database, rows, alone, settled):
    """The table lies out of line in chunks of 2 kB; only those of the frames asked for are read."""
    count = 100_000
    await store(database, instance("1/1.1/a", frame_count=count, frame_table=frame_table(count)))
    chunks_read = (
        "SELECT COALESCE(idx_tup_fetch, 0) FROM pg_stat_all_tables WHERE relid ="
        " (SELECT reltoastrelid FROM pg_class WHERE relname = 'instance')"
    )
    async with alone(database) as fresh:
        before = await settled(chunks_read)
        source = await locate_frames(fresh, **ONE, frame_numbers=[1, count])
    assert source.extents == [(2**40, 50), (2**40 + 100 * (count - 1), 50 + count - 1)]
    after = await settled(chunks_read)
    assert 0 < after - before <= 4


async def test_one_of_many_is_found_by_its_uid(database, rows, alone, settled):
    """Often enough for PostgreSQL to settle on one plan for all parameters."""
    await store(database, *[instance(f"1/1.1/{n}") for n in range(5_000)])
    rows("ANALYZE")
    rows_read = (
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'instance'"
    )
    async with alone(database) as fresh:
        before = await settled(rows_read)
        names: dict[str, Any] = ONE | {"sop_instance_uid": "4321"}
        for _ in range(15):
            (found,) = await locate(fresh, **names)
            assert found.sop_instance_uid == "4321"
    after = await settled(rows_read)
    assert 15 <= after - before <= 2 * 15
