"""Work that is begun before it is asked for, a little at a time and in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeVar

_T = TypeVar("_T")


async def ahead(
    works: Iterable[Callable[[], Awaitable[_T]]], *, count: int
) -> AsyncGenerator[_T, None]:
    """Yields what n works return, in order, while the next ones run.

    Close it: whatever still runs is cancelled then.

    Args:
        count: Works that run at the same time, at most; as many results may wait.

    Raises:
        Exception: Whatever a work raises, in its turn.
    """
    running: deque[asyncio.Future[_T]] = deque()
    try:
        for work in works:
            running.append(asyncio.ensure_future(work()))
            if len(running) >= count:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
