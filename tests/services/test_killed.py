"""Giving space back, killed at any moment and by several at once: the store stays correct."""

import asyncio
import random
import signal

import pytest

from tests.services.reclaimer import spawn
from tests.services.shop import AT_ONCE, Shop
from tests.support import synthetic

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

KILLS = 15


async def begin(shop: Shop, series: int) -> None:
    """Leaves something to merge, to rewrite and to remove."""
    await shop.store(range(1, 9), series=series)
    await shop.store_together(*[(1000 + series, number) for number in range(1, 4)])
    await shop.delete(synthetic.path(2, series=1000 + series))


async def end(shop: Shop, series: int) -> None:
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
    series, step, is_killed = 0, 0, True
    while is_killed:
        series, step = series + 1, step + 1
        await begin(shop, series)
        process = spawn(shop, "--die-at", str(step))
        code = await asyncio.to_thread(process.communicate) and process.returncode
        is_killed = code == -signal.SIGKILL
        assert is_killed or code == 0
        await end(shop, series)
        await shop.check(spare_dsn)
    assert step > 40, "it was to die in the middle of it"
    await check_at_rest(shop, spare_dsn)


async def test_killed_at_random_while_others_store_and_delete(local_shop: Shop, spare_dsn: str):
    shop = local_shop
    chance = random.Random(7)  # noqa: S311 - the same moments in every run
    for series in range(1, KILLS + 1):
        await begin(shop, series)
        process = await asyncio.to_thread(spawn, shop, "--forever")
        kill = asyncio.get_running_loop().call_later(chance.uniform(0, 0.3), process.kill)
        await begin(shop, 500 + series)
        await end(shop, series)
        assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
        assert not kill.cancelled()
        await shop.check(spare_dsn)
    await check_at_rest(shop, spare_dsn)


@pytest.mark.parametrize("option", ["--forever", "--without-turn"])
async def test_two_processes_at_once(shop: Shop, spare_dsn: str, option: str):
    """One has its turn, or both have: neither undoes what the other did."""
    processes = [
        await asyncio.to_thread(spawn, shop, "--forever", option, "--grace-s", "1") for _ in "12"
    ]
    try:
        for series in range(1, 6):
            await begin(shop, series)
            await end(shop, series)
            await shop.check_answers()
        assert [process.poll() for process in processes] == [None, None]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    await asyncio.sleep(1.1)
    for _ in range(4):
        await shop.reclaim(AT_ONCE)
    await shop.check(spare_dsn)
