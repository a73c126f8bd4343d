"""A worker that died and was forgotten; granian's slip cannot be caused at will."""

import multiprocessing
import threading
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

from longshore.cli import lost_workers


def sleeping() -> SimpleNamespace:
    """Returns a worker: a process that sleeps."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=[60], daemon=True)
    process.start()
    return SimpleNamespace(inner=process)


@dataclass
class Forgetful:
    """A server that has not noticed."""

    wrks: list[SimpleNamespace]
    interrupt_signal: bool = False
    interrupt_children: list[int] = field(default_factory=list[int])
    main_loop_interrupt: threading.Event = field(default_factory=threading.Event)


def test_it_is_noted_again() -> None:
    server = Forgetful([sleeping() for _ in range(3)])
    watch = threading.Thread(target=lost_workers.watch, args=[server], kwargs={"look_s": 0.01})
    watch.start()
    assert not server.main_loop_interrupt.wait(0.2)
    server.wrks[1].inner.kill()
    assert server.main_loop_interrupt.wait(10)
    assert server.interrupt_children == [1]
    server.wrks[1] = sleeping()
    server.interrupt_children.clear()
    server.main_loop_interrupt.clear()
    assert not server.main_loop_interrupt.wait(0.2)
    server.interrupt_signal = True
    watch.join(10)
    assert not watch.is_alive()
    assert server.interrupt_children == []
    for worker in server.wrks:
        worker.inner.kill()
        worker.inner.join()
