"""Workers that died and that granian forgot to replace.

granian notes a dead worker and sets an event; its loop takes the notes and then clears the event,
without a lock. Of several workers that die at once, one may be noted in between.
"""

import time
from collections.abc import Sequence
from multiprocessing import connection
from threading import Event
from typing import Any, Protocol

LOOK_S = 1.0


class Server(Protocol):
    """What of granian's server is needed here."""

    interrupt_signal: bool
    interrupt_children: list[int]
    main_loop_interrupt: Event

    @property
    def wrks(self) -> Sequence[Any]:
        """The worker processes."""
        ...


def watch(server: Server, *, look_s: float = LOOK_S) -> None:
    """Has workers replaced that are found dead twice, until the server is told to stop."""
    dead_before: set[int] = set()
    while not server.interrupt_signal:
        # An object that is still in its place has not been replaced.
        dead = {id(each): at for at, each in enumerate(server.wrks) if _is_dead(each)}
        for number in dead_before & dead.keys():
            if dead[number] not in server.interrupt_children:
                server.interrupt_children.append(dead[number])
            server.main_loop_interrupt.set()
        dead_before = set(dead)
        time.sleep(look_s)


def _is_dead(worker: Any) -> bool:
    """Whether a worker has ended; leaves it to granian's threads to wait for it and to know."""
    return bool(connection.wait([worker.inner.sentinel], timeout=0))
