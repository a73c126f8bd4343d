"""Starts the embedded PostgreSQL again when it ends while nobody stops it.

A server that was killed, by hand or because memory ran out, loses nothing that was committed: it
recovers when it starts. Its clients find their connections broken, and connect again by themselves.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager

from longshore.embedded.errors import EmbeddedError
from longshore.embedded.server import EmbeddedPostgres
from longshore.embedded.signals import HeldSignals

POLL_S = 0.1
PAUSE_S_MIN = 1.0
"""Between two starts at least, in seconds."""
PAUSE_S_MAX = 30.0
"""Between two starts at most; the pause doubles with each start that comes to nothing."""


@contextlib.contextmanager
def supervised(
    server: EmbeddedPostgres,
    *,
    report: Callable[[str], None],
    starting: AbstractContextManager[object],
) -> Generator[None]:
    """Keeps a server running within the block; stop it behind the block, not in it.

    Args:
        server: One that answers. Its DSN stays; its process changes.
        report: Takes a line for people, from a thread.
        starting: Held while a process is started. Whoever forks elsewhere in this process holds it
            too: a fork in between would inherit the pipe that the start waits on.
    """
    supervisor = _Supervisor(server, report, starting)
    thread = threading.Thread(target=supervisor.run, name="postgres", daemon=True)
    thread.start()
    try:
        yield
    finally:
        supervisor.is_over.set()
        thread.join()


class _Supervisor:
    """What the thread does."""

    def __init__(
        self,
        server: EmbeddedPostgres,
        report: Callable[[str], None],
        starting: AbstractContextManager[object],
    ) -> None:
        self.is_over = threading.Event()
        self._server = server
        self._report = report
        self._starting = starting
        self._pause_s = PAUSE_S_MIN
        self._started_at = time.monotonic() - PAUSE_S_MIN
        self._is_awaited = False
        self._failure = ""

    def run(self) -> None:
        """Looks after the server until it is over."""
        HeldSignals().hold()  # they are for the thread that can leave the block
        while not self.is_over.wait(POLL_S):
            if not self._server.is_running():
                self._start_again()
            elif self._is_awaited and self._server.is_ready():
                self._report("PostgreSQL answers again")
                self._is_awaited = False
                self._pause_s = PAUSE_S_MIN

    def _start_again(self) -> None:
        wait_s = max(0.0, self._started_at + self._pause_s - time.monotonic())
        if self._is_awaited:
            what = f"did not start ({self._failure or self._server.complaint()})"
            self._pause_s = min(2 * self._pause_s, PAUSE_S_MAX)
        else:
            what = f"ended ({self._server.ending()})"
            # Somebody told it to: whoever stops all processes at once stops this one too.
            wait_s = max(wait_s, PAUSE_S_MIN) if self._server.has_obeyed() else wait_s
        self._report(f"PostgreSQL {what}; it is started again in {wait_s:.0f} s")
        if self.is_over.wait(wait_s):
            return
        self._started_at, self._is_awaited, self._failure = time.monotonic(), True, ""
        try:
            self._server.start_again(self._starting)
        except (EmbeddedError, OSError) as error:
            self._failure = str(error)
