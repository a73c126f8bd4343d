"""Results that are costly to make: made once, however many ask, and kept while there is room."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

_T = TypeVar("_T")


class Kept(Generic[_T]):
    """The results last asked for, up to a size, and those being made.

    Keys must name the version of what they are made from, so that nothing kept ever becomes wrong.
    """

    def __init__(self, size_max: int, size_of: Callable[[_T], int]) -> None:
        """Keeps nothing yet.

        Args:
            size_max: Of all that is kept; a larger result is given out, and not kept.
            size_of: Of one result, in the same unit.
        """
        self._cache: LRUCache[Hashable, _T] = LRUCache(size_max, getsizeof=size_of)
        self._size_of = size_of
        self._making: dict[Hashable, asyncio.Task[_T]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[_T]]) -> _T:
        """Returns what is kept, or makes it; who asks meanwhile waits for the same.

        It is made to the end even if those who asked go away: the next one will want it.

        Raises:
            Exception: Whatever `make` raises, for everyone who waits; the next one tries again.
        """
        found = self._cache.get(key)
        if found is not None:
            return found
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._made(key, make))
            self._making[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    async def _made(self, key: Hashable, make: Callable[[], Awaitable[_T]]) -> _T:
        made = await make()
        if self._size_of(made) <= self._cache.maxsize:
            self._cache[key] = made
        return made

    def _finished(self, key: Hashable, done: asyncio.Task[_T]) -> None:
        self._making.pop(key, None)
        if not done.cancelled():
            done.exception()  # looked at, in case nobody waits any more
