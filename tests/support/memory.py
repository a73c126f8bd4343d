"""How much memory the workers have."""

import threading
import time

import psutil

from tests.support.service import Service

MIB = 1024**2
_POLL_S = 0.02


class Memory:
    """Notes, within a block, the most resident memory that any worker has at any time."""

    def __init__(self, service: Service) -> None:
        self._workers = service.workers()
        assert self._workers
        self.at_first_bytes = self._now()
        self.most_bytes = self.at_first_bytes
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def growth_bytes(self) -> int:
        """The most since the block began."""
        return self.most_bytes - self.at_first_bytes

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _now(self) -> int:
        return max(worker.memory_info().rss for worker in self._workers)

    def _run(self) -> None:
        while not self._is_over.is_set():
            self.most_bytes = max(self.most_bytes, self._now())
            time.sleep(_POLL_S)


def descriptor_count(worker: psutil.Process) -> int:
    """Open files and connections."""
    return worker.num_fds()
