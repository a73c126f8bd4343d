"""Giving space back, killed at any moment and by several at once: the store stays correct."""

import asyncio
import random
import signal

import pytest

from tests.services.reclaimer import end, said, spawn
from tests.services.shop import AT_ONCE, Shop, rebuilt
from tests.support import synthetic

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

KILLS = 12
GRACE_S = 1.0
"""How long packs stay that readers may have located."""


async def begin(shop: Shop, series: int) -> None:
    """Leaves something to merge, to rewrite and to remove."""
    await shop.store(range(1, 9), series=series)
    await shop.store_together(*[(1000 + series, number) for number in range(1, 4)])
    await shop.delete(synthetic.path(2, series=1000 + series))


async def finish(shop: Shop, series: int) -> None:
    """Deletes one instance that may have moved, and what an earlier turn left."""
    await shop.delete(synthetic.path(5, series=series))
    for path in list(shop.stored):
        if f".{series - 2}/instances" in path or f".{series + 998}/instances" in path:
            await shop.delete(path)


async def check_at_rest(shop: Shop, spare_dsn: str) -> None:
    """Whatever was left is finished or swept: no bytes without a row, and no notes."""
    for _ in range(4):
        await shop.reclaim()
    assert (await shop.reclaim()).is_nothing
    named = {
        row[0] for row in shop.query("SELECT pack_id FROM pack JOIN instance USING (pack_key)")
    }
    assert await shop.packs() == named
    unfinished = shop.settings.data / "blobs" / "unfinished"
    assert list(unfinished.iterdir()) == []
    assert [facts.name async for facts in shop.blobs.list("moved/")] == []
    noted = {facts.name.split("/")[1] async for facts in shop.blobs.list("dead/")}
    assert noted <= named
    await shop.check(spare_dsn)


async def test_killed_before_every_single_step(local_shop: Shop, spare_dsn: str):
    shop = local_shop
    process = await asyncio.to_thread(spawn, shop, "--die-at-steps")
    assert process.stdin is not None
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        step += 1
        await begin(shop, step)
        process.stdin.write(f"{step}\n")
        process.stdin.flush()
        code = int(await asyncio.to_thread(said, process))
        await finish(shop, step)
        if step % 10 == 0:
            await shop.check(spare_dsn)
        else:
            assert await rebuilt(shop, spare_dsn) == shop.stored, step
    end(process)
    assert code == 0
    assert step > 40, "it was to die in the middle of it"
    await check_at_rest(shop, spare_dsn)


async def test_killed_at_random_while_others_store_and_delete(local_shop: Shop, spare_dsn: str):
    shop = local_shop
    chance = random.Random(7)  # noqa: S311 - the same moments in every run
    for series in range(1, KILLS + 1):
        await begin(shop, series)
        process = await asyncio.to_thread(spawn, shop, "--forever", "--grace-s", str(GRACE_S))
        kill = asyncio.get_running_loop().call_later(chance.uniform(0, 0.4), process.kill)
        await begin(shop, 500 + series)
        await finish(shop, series)
        assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
        assert not kill.cancelled()
        end(process)
        await shop.check(spare_dsn)
    await asyncio.sleep(GRACE_S + 0.1)
    await check_at_rest(shop, spare_dsn)


@pytest.mark.parametrize("option", ["--forever", "--without-turn"])
async def test_two_processes_at_once(shop: Shop, spare_dsn: str, option: str):
    """One has its turn, or both have: neither undoes what the other did."""
    processes = [
        await asyncio.to_thread(spawn, shop, "--forever", option, "--grace-s", str(GRACE_S))
        for _ in "12"
    ]
    try:
        for series in range(1, 6):
            await begin(shop, series)
            await finish(shop, series)
            await shop.check_answers()
        assert [process.poll() for process in processes] == [None, None]
    finally:
        for process in processes:
            end(process)
    await asyncio.sleep(GRACE_S + 0.1)
    for _ in range(4):
        await shop.reclaim(AT_ONCE)
    await shop.check(spare_dsn)
