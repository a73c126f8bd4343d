import asyncio

import pytest

from longshore.services.kept import Kept

pytestmark = pytest.mark.anyio


class Maker:
    """Counts how often it is asked, and answers when it may."""

    def __init__(self, made: bytes) -> None:
        self.count = 0
        self.may_end = asyncio.Event()
        self._made = made

    async def __call__(self) -> bytes:
        self.count += 1
        await self.may_end.wait()
        return self._made


async def test_is_made_once_however_many_ask() -> None:
    kept, maker = Kept(100, len), Maker(b"x")
    asking = [asyncio.create_task(kept.get("key", maker)) for _ in range(5)]
    await asyncio.sleep(0)
    maker.may_end.set()
    assert await asyncio.gather(*asking) == [b"x"] * 5
    assert await kept.get("key", maker) == b"x"
    assert maker.count == 1


async def test_goes_on_when_the_first_one_leaves() -> None:
    kept, maker = Kept(100, len), Maker(b"x")
    first = asyncio.create_task(kept.get("key", maker))
    await asyncio.sleep(0)
    second = asyncio.create_task(kept.get("key", maker))
    await asyncio.sleep(0)
    first.cancel()
    maker.may_end.set()
    assert await second == b"x"
    assert maker.count == 1


async def test_a_failure_is_not_kept() -> None:
    kept = Kept(100, len)

    async def fail() -> bytes:
        msg = "no"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="no"):
        await kept.get("key", fail)
    maker = Maker(b"x")
    maker.may_end.set()
    assert await kept.get("key", maker) == b"x"


async def test_keeps_no_more_bytes_than_it_may() -> None:
    kept = Kept(10, len)
    makers = [Maker(b"12345"), Maker(b"67890"), Maker(b"abcde"), Maker(b"longer than ten")]
    for number, maker in enumerate(makers):
        maker.may_end.set()
        await kept.get(number, maker)
    for number, maker in enumerate(makers):
        await kept.get(number, maker)
    # The first gave way to the third, which then gave way to it; the last never fits.
    assert [maker.count for maker in makers] == [2, 2, 2, 2]
