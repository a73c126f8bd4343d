"""What a server's processes cost: processor time and memory, from /proc."""

import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.servers import Server

RSS_PEAK_RESET = "5"
"""Written to /proc/*/clear_refs: the highest RSS (VmHWM) begins anew (proc(5))."""


@dataclass(frozen=True)
class Usage:
    """What a stretch of time cost.

    Attributes:
        workers_user_s: Of all processes that serve; likewise in the system, PostgreSQL, the client.
        rss_mib: Highest RSS of any one process that serves, in MiB, since the stretch began.
    """

    workers_user_s: float
    workers_system_s: float
    postgres_s: float
    client_s: float
    rss_mib: float


@dataclass(frozen=True)
class _Times:
    user: float
    system: float
    postgres: float
    client: float


class Watch:
    """Watches a server from its making until `stop`."""

    def __init__(self, server: Server) -> None:
        self._root = psutil.Process(server.pid)
        self._workers = _workers_of(self._root)
        for worker in self._workers:
            Path(f"/proc/{worker.pid}/clear_refs").write_text(RSS_PEAK_RESET)
        self._begin = self._times()

    def stop(self) -> Usage:
        """Returns what was used.

        Raises:
            RuntimeError: A process that serves is another than before: one has died.
        """
        if _workers_of(self._root) != self._workers:
            msg = "a worker died under the load; its log is the server's"
            raise RuntimeError(msg)
        begin, end = self._begin, self._times()
        return Usage(
            workers_user_s=end.user - begin.user,
            workers_system_s=end.system - begin.system,
            postgres_s=end.postgres - begin.postgres,
            client_s=end.client - begin.client,
            rss_mib=max(_rss_peak_mib(worker.pid) for worker in self._workers),
        )

    def _times(self) -> _Times:
        workers = [worker.cpu_times() for worker in self._workers]
        return _Times(
            user=sum(each.user for each in workers),
            system=sum(each.system for each in workers),
            postgres=_postgres_s(self._root),
            client=time.process_time(),
        )


def _workers_of(root: psutil.Process) -> list[psutil.Process]:
    """Returns the processes that serve: those below the first one, or that one if it is alone."""
    children = [
        child
        for child in root.children()
        if child.name() != "postgres" and "resource_tracker" not in " ".join(child.cmdline())
    ]
    return sorted(children, key=lambda child: child.pid) or [root]


def _postgres_s(root: psutil.Process) -> float:
    """Returns the time of all PostgreSQL processes; the first one has that of the ended ones."""
    first = next((child for child in root.children() if child.name() == "postgres"), None)
    if first is None:
        return 0.0
    times = first.cpu_times()
    ended = times.children_user + times.children_system
    total = times.user + times.system + ended
    for process in first.children():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _rss_peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    msg = "this kernel does not tell the highest RSS of a process"
    raise RuntimeError(msg)
