"""Work in the background goes on behind an error, and stops when it is told to."""

import asyncio
import logging

import pytest

from longshore.errors import Unavailable
from longshore.services.rounds import surviving

pytestmark = pytest.mark.anyio

log = logging.getLogger(__name__)


async def test_an_error_is_logged_and_the_next_round_follows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for error in (Unavailable("the index does not answer"), ValueError("Doe^Jane")):
        with surviving(log, "a round failed"):
            raise error
    assert [(each.levelname, each.getMessage().split(": ")[0]) for each in caplog.records] == [
        ("WARNING", "a round failed"),
        ("ERROR", "a round failed"),
    ]
    assert "does not answer" in caplog.text
    assert "Doe" not in caplog.text


async def test_a_stop_that_an_error_takes_the_place_of_is_a_stop() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        while True:
            with surviving(log, "a round failed"):
                begun.set()
                try:
                    await asyncio.sleep(60)
                finally:
                    raise Unavailable("lost on the way out")

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done
    assert task.cancelled()
