"""How fast a body must come, so that nobody keeps a place by sending next to nothing."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator

from longshore.errors import Stalled


class Pace:
    """Watches one body while it arrives."""

    def __init__(self, window: asyncio.Timeout, *, window_s: float, window_bytes: int) -> None:
        self._window = window
        self._window_s = window_s
        self._window_bytes = window_bytes
        self._in_window = 0
        self._now = asyncio.get_running_loop().time

    def came(self, byte_count: int) -> None:
        """Counts what came; enough of it begins a new window."""
        self._in_window += byte_count
        if self._in_window >= self._window_bytes:
            self._window.reschedule(self._now() + self._window_s)
            self._in_window = 0

    @contextlib.contextmanager
    def paused(self) -> Generator[None]:
        """Measures nothing within the block: what we take is not the client's time."""
        self._window.reschedule(None)
        yield
        self._window.reschedule(self._now() + self._window_s)


@contextlib.asynccontextmanager
async def keeping_pace(*, window_s: float, bytes_per_s_min: int) -> AsyncGenerator[Pace]:
    """Ends the block where too little came within a window.

    Raises:
        Stalled: Less than `bytes_per_s_min` came on average.
    """
    window_bytes = max(1, int(bytes_per_s_min * window_s))
    try:
        async with asyncio.timeout(window_s) as window:
            yield Pace(window, window_s=window_s, window_bytes=window_bytes)
    except TimeoutError as error:
        msg = (
            f"fewer than {window_bytes} bytes came within {window_s:g} seconds; send the"
            " request again, over a faster connection"
        )
        raise Stalled(msg) from error
