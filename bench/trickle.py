"""Slow clients: many Stores at once whose bodies come in little pieces, while others are served."""

import socket
import threading
import time
from dataclasses import replace

from bench import instances, load
from bench.figures import Figure
from bench.instances import CT, new_numbers
from bench.processes import Watch
from bench.servers import Server
from bench.stores import StoreScenario, store

CLIENTS = 200
TURNS = 100
"""Pieces that a body comes in."""
LOAD = StoreScenario(CT, 1, 32, 256)
NAME = f"{LOAD.name}, beside {CLIENTS} slow clients"
KEPT_PIECES = 2
"""Pieces that are held back until the load is over, so that no body ends before."""


class SlowClients:
    """Each sends one CT, a hundredth at a time."""

    def __init__(self, server: Server, seconds: float) -> None:
        """Connects; the bodies take about so many seconds."""
        self._pause_s = seconds / TURNS
        study = next(new_numbers)
        self._bodies: list[bytes] = []
        self._sockets: list[socket.socket] = []
        for _ in range(CLIENTS):
            request = instances.store(server.root, CT, study=study, numbers=[next(new_numbers)])
            self._bodies.append(b"".join(request.pieces))
            self._sockets.append(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        self._step = len(self._bodies[0]) // TURNS + 1
        self._is_over = threading.Event()
        self._failures: list[OSError] = []
        self._thread = threading.Thread(target=self._trickle)

    def begin(self) -> None:
        """Sends in a thread of its own."""
        self._thread.start()

    def finish(self) -> None:
        """Sends what is left; every body must have been stored.

        Raises:
            RuntimeError: One was not.
        """
        self._is_over.set()
        self._thread.join()
        if self._failures:
            raise self._failures[0]
        for each in self._sockets:
            answer = each.recv(load.RECEIVE_BYTES)
            if not answer.startswith(b"HTTP/1.1 200 "):
                msg = f"a slow client was refused: {bytes(answer[:80])!r}"
                raise RuntimeError(msg)
            each.close()

    def _trickle(self) -> None:
        try:
            for turn in range(TURNS):
                if turn == TURNS - KEPT_PIECES:
                    self._is_over.wait()
                began = time.monotonic()
                for client, body in zip(self._sockets, self._bodies, strict=True):
                    client.sendall(body[turn * self._step : (turn + 1) * self._step])
                if not self._is_over.is_set():
                    time.sleep(max(0.0, self._pause_s - (time.monotonic() - began)))
        except OSError as error:
            self._failures.append(error)


def store_beside_slow_clients(server: Server, seconds: float) -> Figure:
    """Runs a usual load beside them, while a worker holds what came of each."""
    slow = SlowClients(server, seconds)
    watch = Watch(server)
    slow.begin()
    try:
        figure = store(LOAD, server, seconds)
    finally:
        slow.finish()
    return replace(figure, scenario=NAME, rss_mib=watch.stop().rss_mib)
