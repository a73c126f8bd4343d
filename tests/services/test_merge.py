"""Merging small packs: what is merged, into what order, while others store, read and delete."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from typing_extensions import Buffer, override

from longshore.blobs.store import BlobWriter
from longshore.errors import Unavailable
from longshore.extent import Extent, pack_blob
from longshore.index.merge import RelatedPack
from longshore.index.moves import move_entries
from longshore.services import copying
from longshore.services.copying import Copier, CopyRules
from longshore.services.merge import PACK_COUNT_MIN, MergeRules, worth_merging
from longshore.services.moved import MOVED_PREFIX, record_moved
from tests.services.shop import AT_ONCE, Shop, rebuilt
from tests.support import synthetic
from tests.support.related import parts
from tests.support.stow import multipart

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

SERIES = f"/v2/studies/{synthetic.uids(1)[0]}/series/{synthetic.uids(1)[1]}"
MULTIPART = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
PIXELS = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}


async def test_a_series_that_rests_becomes_one_pack_in_its_order(shop: Shop, spare_dsn: str):
    numbers = list(range(1, 21))
    random.Random(1).shuffle(numbers)  # noqa: S311
    await shop.store(numbers)
    await shop.store_together((1, 30), (2, 1), (1, 29))
    await shop.store(range(1, 4), series=3)
    before = (await shop.client.get(SERIES, headers=MULTIPART)).headers["etag"]
    assert len(await shop.packs()) == 24
    merged = (await shop.reclaim()).merged
    assert (merged.new_pack_count, merged.old_pack_count, merged.instance_count) == (1, 21, 23)
    rows = shop.query(
        "SELECT instance_number FROM instance JOIN pack USING (pack_key)"
        " JOIN series USING (series_key) WHERE entry_count = 23"
        " ORDER BY payload_offset"
    )
    assert [row[0] for row in rows] == [*range(1, 21), 29, 30, 1]
    answer = await shop.client.get(SERIES, headers=MULTIPART)
    assert answer.headers["etag"] == before, "no client has to read it again"
    assert [part.content for part in parts(answer)] == [
        shop.stored[synthetic.path(number)] for number in [*range(1, 21), 29, 30]
    ]
    await shop.check(spare_dsn)
    assert len(await shop.packs()) == 25, "the old ones stay for who has located them"
    assert (await shop.reclaim()).removed_count == 21
    assert len(await shop.packs()) == 4
    assert (await shop.reclaim()).is_nothing
    assert [facts async for facts in shop.blobs.list(MOVED_PREFIX)] == []
    await shop.check(spare_dsn)


async def test_what_does_not_rest_is_not_merged(local_shop: Shop):
    shop = local_shop
    await shop.store(range(1, 12))
    rules = replace(AT_ONCE, merge=MergeRules(rest_s=1.0))
    await asyncio.sleep(0.7)
    await shop.store([12])
    await asyncio.sleep(0.4)
    assert (await shop.reclaim(rules)).merged.new_pack_count == 0
    await asyncio.sleep(1.0)
    assert (await shop.reclaim(rules)).merged.instance_count == 12


async def test_what_trickles_in_is_merged_now_and_then(local_shop: Shop, spare_dsn: str):
    """A new pack finds the older ones beside it; few or large ones are left alone."""
    shop = local_shop
    copied = 0
    for number in range(1, 41):
        await shop.store([number])
        copied += (await shop.reclaim()).merged.instance_count
    await shop.reclaim()
    assert len(await shop.packs()) < 2 * PACK_COUNT_MIN
    assert copied <= 40 * 3, "nothing is copied over and over"
    await shop.check(spare_dsn)


async def test_large_packs_and_no_packs_at_all(local_shop: Shop):
    shop = local_shop
    await shop.store(range(1, 12))
    off = replace(AT_ONCE, merge=MergeRules(rest_s=0.0, pack_bytes_max=0))
    assert (await shop.reclaim(off)).merged.new_pack_count == 0
    shop.query("UPDATE pack SET merge_at = now() RETURNING 1")
    few = replace(AT_ONCE, merge=MergeRules(rest_s=0.0, pack_bytes_max=500))
    assert (await shop.reclaim(few)).merged.new_pack_count == 0
    shop.query("UPDATE pack SET merge_at = now() RETURNING 1")
    small = replace(AT_ONCE, merge=MergeRules(rest_s=0.0, count_max=9))
    merged = (await shop.reclaim(small)).merged
    assert (merged.new_pack_count, merged.instance_count) == (1, 9), "a pack has a bound"


def test_which_packs_are_worth_merging():
    rules = MergeRules(bytes_max=1_000, count_max=20)

    def related(*lengths: int, count: int = 1) -> list[RelatedPack]:
        return [RelatedPack(f"{n:032x}", length, count) for n, length in enumerate(lengths)]

    def lengths(packs: Sequence[RelatedPack]) -> list[int]:
        return [pack.length for pack in packs]

    assert worth_merging([], rules) == []
    assert worth_merging(related(*[10] * 7), rules) == []
    assert lengths(worth_merging(related(*[10] * 8), rules)) == [10] * 8
    assert lengths(worth_merging(related(*[100] * 11), rules)) == [100] * 10
    assert lengths(worth_merging(related(*[10] * 30, count=2), rules)) == [10] * 10
    assert lengths(worth_merging(related(500, *[10] * 8), rules)) == [10] * 8
    assert lengths(worth_merging(related(500, 400, *[10] * 8), rules)) == [10] * 8
    assert lengths(worth_merging(related(80, *[10] * 8), rules)) == [80, *[10] * 8]


async def test_readers_and_writers_go_on(shop: Shop, spare_dsn: str):
    """No read fails and every byte is right while packs are merged and the old ones go."""
    await shop.store(range(1, 41))
    rules = replace(AT_ONCE, sweep_grace_s=1.0)
    is_over = asyncio.Event()
    reads = 0

    async def read(turn: int):
        nonlocal reads
        files = {synthetic.path(n): synthetic.ct(n) for n in range(1, 41)}
        while not is_over.is_set():
            number = (reads * 7 + turn) % 40 + 1
            whole = await shop.client.get(SERIES, headers=MULTIPART)
            assert whole.status_code == 200, whole.text
            contents = {part.content for part in parts(whole)}
            assert contents >= set(files.values())
            metadata = await shop.client.get(f"{SERIES}/metadata")
            assert len(metadata.json()) >= 40
            path = synthetic.path(number)
            one = await shop.client.get(f"/v2{path}", headers={"Accept": "application/dicom"})
            assert one.content == files[path]
            frame = await shop.client.get(f"/v2{path}/frames/1", headers=PIXELS)
            assert parts(frame)[0].content == files[path][-512:]
            reads += 1

    async def write(series: int):
        for number in range(1, 31):
            await shop.store([number], series=series)
            await shop.store([100 * series + number])

    async def merge():
        merged = 0
        while not is_over.is_set():
            merged += (await shop.reclaim(rules)).merged.new_pack_count
            await asyncio.sleep(0.05)
        return merged

    work = [asyncio.create_task(each) for each in (read(1), read(20), merge())]
    await asyncio.gather(write(2), write(3))
    await asyncio.sleep(1.5)
    is_over.set()
    *_, merged = await asyncio.gather(*work)
    assert merged
    assert reads > 4
    await shop.reclaim()
    await shop.reclaim()
    await shop.check(spare_dsn)


Hook = Callable[[str], Awaitable[None]]


async def test_deleting_at_every_step_of_a_merge(
    local_shop: Shop, spare_dsn: str, monkeypatch: pytest.MonkeyPatch
):
    """What is deleted meanwhile is gone, and an index from the packs alone does not bring it back.

    Every step is followed by a deletion; then the merge goes on, or stops there for good.
    """
    shop = local_shop
    steps = await hooked_steps(shop, monkeypatch)
    assert steps == ["record_moved", "open_writer", "commit", "move_entries", "end"]
    number = 0
    for is_stopped in (False, True):
        for step in steps:
            number += 1
            await shop.store(range(1, 10), series=number)

            async def hook(
                name: str, step: str = step, number: int = number, is_stopped: bool = is_stopped
            ) -> None:
                if name != step:
                    return
                await shop.delete(synthetic.path(3, series=number))
                if is_stopped:
                    msg = "stopped here"
                    raise Unavailable(msg)

            await copy_hooked(shop, monkeypatch, hook)
            assert await rebuilt(shop, spare_dsn) == shop.stored, (step, is_stopped)
            await shop.delete(synthetic.path(5, series=number))
            await shop.check(spare_dsn)
            # A copy that was kept for its readers goes; what it was copied from went before.
            await shop.reclaim()
            await shop.check(spare_dsn)
    for _ in range(3):
        await shop.reclaim()
    await shop.check(spare_dsn)
    assert await shop.packs() == {
        row[3]
        for row in shop.query(
            "SELECT DISTINCT 1, 1, 1, pack_id FROM pack JOIN instance USING (pack_key)"
        )
    }


PATIENT = replace(AT_ONCE, sweep_grace_s=3_600.0)
"""What lies without a row is not swept, and old packs stay for their readers."""


async def test_what_died_beside_a_copy_that_was_left_stays_dead(
    local_shop: Shop, spare_dsn: str, monkeypatch: pytest.MonkeyPatch
):
    """Its old pack has the note of that, so it stays until the copy is swept."""
    shop = local_shop
    await shop.store(range(1, 10))

    async def hook(name: str) -> None:
        if name == "commit":
            msg = "stopped here"
            raise Unavailable(msg)

    await copy_hooked(shop, monkeypatch, hook)
    await shop.delete(synthetic.path(3))
    shop.query("UPDATE pack SET merge_at = now() RETURNING 1")
    for _ in range(3):
        await shop.reclaim(PATIENT)
        await shop.check(spare_dsn)
    for path in list(shop.stored):
        await shop.delete(path)
    for _ in range(3):
        await shop.reclaim(PATIENT)
        await shop.check(spare_dsn)
    await at_rest_without_packs(shop)


async def test_what_died_in_a_copy_stays_dead_while_the_old_packs_stay(
    local_shop: Shop, spare_dsn: str
):
    """A copy whose last entry dies has the note of that for the old packs, too."""
    shop = local_shop
    await shop.store(range(1, 10))
    assert (await shop.reclaim(PATIENT)).merged.instance_count == 9
    for path in list(shop.stored):
        await shop.delete(path)
    for _ in range(3):
        await shop.reclaim(PATIENT)
        await shop.check(spare_dsn)
    await at_rest_without_packs(shop)


async def at_rest_without_packs(shop: Shop) -> None:
    """Nothing stays for good, once the time for readers is over."""
    shop.query("UPDATE pack SET dead_at = now() RETURNING 1")
    for _ in range(4):
        await shop.reclaim()
    assert (await shop.reclaim()).is_nothing
    assert [facts.name async for facts in shop.blobs.list("")] == []


async def hooked_steps(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps of one merge, in order."""
    seen: list[str] = []

    async def hook(name: str) -> None:
        seen.append(name)

    await shop.store(range(1, 10), series=99)
    await copy_hooked(shop, monkeypatch, hook)
    return seen


class HookedWriter(BlobWriter):
    """Calls a hook behind its commit."""

    def __init__(self, writer: BlobWriter, hook: Hook) -> None:
        self._writer = writer
        self._hook = hook

    @override
    async def write(self, buffers: Sequence[Buffer]) -> None:
        await self._writer.write(buffers)

    @override
    async def commit(self, *, head: bytes, tail: Sequence[Buffer]) -> None:
        await self._writer.commit(head=head, tail=tail)
        await self._hook("commit")

    @override
    async def abort(self) -> None:
        await self._writer.abort()


async def copy_hooked(shop: Shop, monkeypatch: pytest.MonkeyPatch, hook: Hook) -> None:
    """Merges with a call of the hook behind the first time of each step, and before the move."""
    seen: set[str] = set()

    async def call(name: str) -> None:
        if name not in seen:
            seen.add(name)
            await hook(name)

    open_writer = shop.blobs.open_writer

    async def hooked_open_writer(name: str, *, head_length: int) -> BlobWriter:
        writer = await open_writer(name, head_length=head_length)
        await call("open_writer")
        return HookedWriter(writer, call)

    async def hooked_record_moved(*args: object) -> None:
        await record_moved(*args)  # pyright: ignore[reportArgumentType]
        await call("record_moved")

    async def hooked_move_entries(*args: object) -> set[int]:
        done = await move_entries(*args)  # pyright: ignore[reportArgumentType]
        await call("move_entries")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(shop.blobs, "open_writer", hooked_open_writer)
        patch.setattr(copying, "record_moved", hooked_record_moved)
        patch.setattr(copying, "move_entries", hooked_move_entries)
        try:
            await shop.reclaim()
            await call("end")
        except Unavailable:
            pass


async def test_a_retrieve_that_located_before_the_packs_went(local_shop: Shop):
    """It locates again, as long as nothing was sent."""
    shop = local_shop
    await shop.store(range(1, 10))
    old = await shop.packs()
    read = shop.blobs.read
    is_first = True

    async def read_behind_a_merge(extent: Extent) -> bytes:
        nonlocal is_first
        if is_first:
            is_first = False
            await shop.reclaim()
            await shop.reclaim()
            assert not old & await shop.packs()
        return await read(extent)

    shop.blobs.read = read_behind_a_merge
    answer = await shop.client.get(SERIES, headers=MULTIPART)
    assert [part.content for part in parts(answer)] == list(shop.stored.values())


async def test_a_damaged_pack_stays_as_it_is(local_shop: Shop, spare_dsn: str):
    """What is copied is compared with its CRC-32: a fault must not be made to last."""
    shop = local_shop
    await shop.store(range(1, 12))
    blob = shop.settings.data / "blobs" / pack_blob(min(await shop.packs()))
    whole = blob.read_bytes()
    blob.write_bytes(whole[:600] + bytes([whole[600] ^ 1]) + whole[601:])
    assert (await shop.reclaim()).merged.new_pack_count == 0
    assert (await shop.reclaim()).is_nothing, "it is left alone for a while"
    assert len(await shop.packs()) == 11
    assert [facts async for facts in shop.blobs.list(MOVED_PREFIX)] == []
    blob.write_bytes(whole)
    shop.query("UPDATE pack SET merge_at = now() RETURNING 1")
    assert (await shop.reclaim()).merged.instance_count == 11
    await shop.check(spare_dsn)


async def test_merging_keeps_dead_bytes_for_the_retention_and_no_longer(local_shop: Shop):
    shop = local_shop
    await shop.store_together((1, 1), (1, 2))
    await shop.store(range(3, 12))
    (mixed,) = {row[0] for row in shop.query("SELECT pack_id FROM pack WHERE entry_count = 2")}
    await shop.delete(synthetic.path(1))
    rules = replace(AT_ONCE, deleted_retention_s=2.0)
    assert (await shop.reclaim(rules)).merged.old_pack_count == 10
    await shop.reclaim(rules)
    assert mixed in await shop.packs(), "what was deleted in it may still be needed"
    assert len(await shop.packs()) == 2
    await asyncio.sleep(2.1)
    await shop.reclaim(rules)
    assert mixed not in await shop.packs()


async def test_copying_keeps_to_its_rate(local_shop: Shop):
    shop = local_shop
    await shop.store(range(1, 5), rows=512)
    rules = CopyRules(bytes_per_s_max=4 * 1024**2, deleted_retention_s=0, sweep_grace_s=0)
    packs = [
        RelatedPack(*row) for row in shop.query("SELECT pack_id, pack_length, live_count FROM pack")
    ]
    loop = asyncio.get_running_loop()
    began = loop.time()
    copied = await Copier(shop.database, shop.blobs, rules).copy(packs)
    assert copied.byte_count > 2 * 1024**2
    assert loop.time() - began > 0.5, "2 MiB at 4 MiB a second"


async def test_a_rebuild_meets_instances_before_their_refused_duplicates(
    local_shop: Shop, spare_dsn: str
):
    """Also where a crash came before the note of the refusal, and the first ones were merged."""
    shop = local_shop
    await shop.store(range(1, 10))
    new = synthetic.ct(20)
    content_type, body = multipart([synthetic.ct(3, note="another"), new])
    answer = await shop.client.post(
        "/v2/studies", content=body, headers={"Content-Type": content_type}
    )
    assert answer.status_code == 202, answer.text
    shop.stored[synthetic.path(20)] = new
    async for facts in shop.blobs.list("dead/"):
        await shop.blobs.delete(facts.name)
    later = replace(AT_ONCE, deleted_retention_s=3600.0, merge=MergeRules(0.0, count_max=9))
    assert (await shop.reclaim(later)).merged.instance_count == 9
    first = shop.query("SELECT pack_id FROM pack WHERE live_count = 0")
    for (pack_id,) in first:
        await shop.blobs.delete(pack_blob(pack_id))
    assert await rebuilt(shop, spare_dsn) == shop.stored
