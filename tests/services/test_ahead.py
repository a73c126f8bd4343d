"""Work that runs ahead: in order, not too much, and not for nobody."""

import asyncio
from contextlib import aclosing
from functools import partial

import pytest

from longshore.services.ahead import ahead

pytestmark = pytest.mark.anyio


class Works:
    """Works that note when they run."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.running = self.most = 0

    async def one(self, number: int) -> int:
        self.begun.append(number)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            # Later ones are faster.
            await asyncio.sleep(0.02 / (number + 1))
            if number == 5:
                raise ValueError
            return number
        finally:
            self.running -= 1


async def test_results_come_in_order_and_few_run_at_a_time() -> None:
    works = Works()
    found = [each async for each in ahead((partial(works.one, n) for n in range(5)), count=2)]
    assert found == works.begun == list(range(5))
    assert works.most == 2


async def test_an_error_comes_in_its_turn() -> None:
    works = Works()
    results = ahead((partial(works.one, n) for n in range(9)), count=3)
    assert [await anext(results) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match=r"^$"):
        await anext(results)
    assert works.running == 0


async def test_what_nobody_waits_for_ends() -> None:
    works = Works()
    async with aclosing(ahead((partial(works.one, n) for n in range(4)), count=3)) as results:
        assert await anext(results) == 0
        assert works.begun == [0, 1, 2]
    assert works.running == 0
    assert [each async for each in ahead([], count=2)] == []
