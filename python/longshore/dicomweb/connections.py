"""Ends connections whose client has stopped, where granian waits without end.

granian limits the time of a request's header, but not of a connection's first bytes, by which it
tells HTTP/1 from HTTP/2, and not the time in which a client reads its answer; what an answer has
left in memory stays as long. The kernel knows of each connection what came and what was taken.
"""

import asyncio
import contextlib
import logging
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_log = logging.getLogger(__name__)

_FOLDER: Final = "/proc/self/fd"
_PREFACE_BYTES = 24
"""The first bytes of HTTP/2 (RFC 9113 3.4); no request of HTTP/1 with a host is shorter."""
# struct tcp_info of Linux 4.6: packets not acknowledged; bytes acknowledged, received, not sent
_TCP_INFO = struct.Struct("=24xI92xQQ8xI")
_LINGER_NOT = struct.pack("ii", 1, 0)
_LOOKS_PER_LIMIT = 8
_LOOK_S_MAX = 5.0


@dataclass(frozen=True, slots=True)
class ConnectionRules:
    """How long a client may do nothing that it should.

    Attributes:
        header_s_max: Until its first request begins.
        download_idle_s_max: Without taking a byte of an answer that waits for it.
    """

    header_s_max: float = 30.0
    download_idle_s_max: float = 60.0


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the kernel says of a connection."""

    received_bytes: int
    acknowledged_bytes: int
    has_unread: bool


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a connection has stood since a moment (of the monotonic clock)."""

    has_begun: bool
    acknowledged_bytes: int | None
    since_s: float


class Connections:
    """The connections that this process has accepted on a port. Linux only: elsewhere, none."""

    def __init__(self, port: int, rules: ConnectionRules) -> None:
        self._port = port
        self._rules = rules
        self._stands: dict[int, _Stand] = {}

    async def watch(self) -> None:
        """Looks again and again, until cancelled."""
        shortest_s = min(self._rules.header_s_max, self._rules.download_idle_s_max)
        pause_s = min(shortest_s / _LOOKS_PER_LIMIT, _LOOK_S_MAX)
        while True:
            await asyncio.sleep(pause_s)
            # In a thread: it takes some 10 ms with a thousand connections.
            cut_count = await asyncio.to_thread(self.look, time.monotonic())
            if cut_count:
                _log.info("cut %d connections whose client had stopped", cut_count)

    def look(self, now_s: float) -> int:
        """Cuts connections that have stood still for too long by now; returns how many."""
        stands: dict[int, _Stand] = {}
        cut_count = 0
        for number, connection in _accepted(self._port):
            facts = _facts(connection)
            begun = facts.received_bytes >= _PREFACE_BYTES
            unread = facts.acknowledged_bytes if facts.has_unread else None
            before = self._stands.get(number)
            if before is None or (before.has_begun, before.acknowledged_bytes) != (begun, unread):
                before = _Stand(begun, unread, now_s)
            stands[number] = before
            if now_s - before.since_s > self._limit_s(before):
                _cut(connection)
                cut_count += 1
        self._stands = stands
        return cut_count

    def _limit_s(self, stand: _Stand) -> float:
        if not stand.has_begun:
            return self._rules.header_s_max
        if stand.acknowledged_bytes is not None:
            return self._rules.download_idle_s_max
        return float("inf")  # granian's business


def _accepted(port: int) -> Iterator[tuple[int, socket.socket]]:
    """Yields inode and socket of every TCP connection that came in on a port.

    The socket is a duplicate that is closed behind the step: meanwhile the original may be closed,
    and its number be another's.
    """
    if not hasattr(socket, "TCP_INFO"):
        return
    for name in os.listdir(_FOLDER):  # noqa: PTH208  # names only, of what may vanish
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.stat(int(name)).st_mode):  # noqa: PTH116  # a descriptor
                continue
            with socket.socket(fileno=os.dup(int(name))) as connection:
                if _is_accepted(connection, port):
                    yield os.fstat(connection.fileno()).st_ino, connection


def _is_accepted(connection: socket.socket, port: int) -> bool:
    return (
        connection.family in (socket.AF_INET, socket.AF_INET6)
        and connection.type == socket.SOCK_STREAM
        and connection.getsockname()[1] == port
        and connection.getpeername() is not None  # raises where nobody is at the other end
    )


def _facts(connection: socket.socket) -> _Facts:
    packed = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    unacked, acked_bytes, received_bytes, unsent_bytes = _TCP_INFO.unpack(packed)
    return _Facts(received_bytes, acked_bytes, has_unread=unacked > 0 or unsent_bytes > 0)


def _cut(connection: socket.socket) -> None:
    """Ends a connection at once; granian finds it broken, and ends the request."""
    with contextlib.suppress(OSError):  # it has ended by itself
        # What waits to be sent is thrown away, or the kernel would go on offering it.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        connection.shutdown(socket.SHUT_RDWR)
