"""A load client that costs little: blocking sockets, prepared requests, a thread a connection."""

import gc
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.mould import Request

RECEIVE_BYTES = 1024**2
KEPT_BYTES_MAX = 256 * 1024
"""Of an answer; the body of a longer one is only counted."""
TIMEOUT_S = 120
IOV_COUNT_MAX = 1024


@dataclass(frozen=True)
class Answer:
    """A response; `body` is empty where it was too long to keep."""

    status: int
    length: int
    body: bytes


Check = Callable[[Answer], bool]
"""Says whether an answer is right."""


@dataclass(frozen=True)
class Load:
    """What a load did.

    Attributes:
        ends_s: When each request was answered, counted from the beginning; ascending.
    """

    seconds: float
    latencies_s: Sequence[float]
    ends_s: Sequence[float]
    received_bytes: int

    def percentile_ms(self, share: float) -> float:
        """Returns a percentile of the latencies, in milliseconds."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Connection:
    """One kept-alive HTTP/1.1 connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._buffer = bytearray(RECEIVE_BYTES)
        self._is_closing = False
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's timeouts: Python's would poll before every call.
        self._socket.settimeout(None)
        span = struct.pack("ll", TIMEOUT_S, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)

    def ask(self, request: Request) -> Answer:
        """Sends a request and reads the answer; connects again if the last one ended with that."""
        if self._is_closing:
            self._socket.close()
            self._connect()
        for at in range(0, len(request.pieces), IOV_COUNT_MAX):
            self._send(request.pieces[at : at + IOV_COUNT_MAX])
        count = self._receive()
        while (end := self._buffer.find(b"\r\n\r\n", 0, count)) < 0:
            count += self._receive(count)
        header = bytes(self._buffer[:end]).lower()
        status = int(header.split(b" ", 2)[1])
        begun = memoryview(self._buffer)[end + 4 : count]
        self._is_closing = b"connection: close" in header
        if b"content-length:" in header:
            length = int(header.split(b"content-length:")[1].split(b"\r\n")[0])
            return self._rest_of(status, length, begun)
        if b"transfer-encoding: chunked" in header:
            return self._chunks_of(status, begun)
        if self._is_closing:
            return Answer(status, len(begun) + self._count_to_end(), b"")
        return Answer(status, 0, b"")

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def _rest_of(self, status: int, length: int, begun: memoryview) -> Answer:
        left = length - len(begun)
        if length > KEPT_BYTES_MAX:
            while left > 0:
                left -= self._receive(most=left, flags=socket.MSG_WAITALL)
            return Answer(status, length, b"")
        body = bytearray(begun)
        while left > 0:
            count = self._receive()
            body += memoryview(self._buffer)[:count]
            left -= count
        return Answer(status, length, bytes(body))

    def _chunks_of(self, status: int, begun: memoryview) -> Answer:
        """The length includes the framing of the chunks, a few bytes in many."""
        length, tail = len(begun), bytes(begun[-5:])
        while not tail.endswith(b"0\r\n\r\n"):
            count = self._receive()
            length += count
            tail = (tail + bytes(self._buffer[max(0, count - 5) : count]))[-5:]
        return Answer(status, length, b"")

    def _count_to_end(self) -> int:
        length = 0
        while count := self._socket.recv_into(self._buffer):
            length += count
        return length

    def _send(self, pieces: Sequence[bytes]) -> None:
        sent = self._socket.sendmsg(pieces)
        for piece in pieces:
            if sent < len(piece):
                self._socket.sendall(memoryview(piece)[sent:])
            sent = max(0, sent - len(piece))

    def _receive(self, at: int = 0, *, most: int = RECEIVE_BYTES, flags: int = 0) -> int:
        """Receives into the buffer, from its byte `at` on; returns the number of bytes."""
        view = memoryview(self._buffer)[at : at + most]
        count = self._socket.recv_into(view, flags=flags)
        if count == 0:
            msg = "the server closed the connection"
            raise ConnectionError(msg)
        return count


def run(
    port: int,
    requests: Iterator[Request],
    *,
    connections: int,
    is_right: Check,
    pause_s: float = 0.0,
) -> Load:
    """Sends all requests over so many connections at once.

    Args:
        requests: Taken from under a lock, so that it may be a generator.
        is_right: A wrong answer ends the load: a benchmark that counts errors measures nothing.
        pause_s: How long a connection rests between an answer and its next request.
    """
    lock = threading.Lock()
    answers: list[tuple[float, float]] = []
    received = 0
    failures: list[BaseException] = []

    def work() -> None:
        nonlocal received
        try:
            connection = Connection(port)
            while not failures:
                with lock:
                    request = next(requests, None)
                if request is None:
                    break
                start = time.perf_counter()
                answer = connection.ask(request)
                end = time.perf_counter()
                if not is_right(answer):
                    msg = f"status {answer.status}, {answer.length} bytes: {answer.body[:300]!r}"
                    raise RuntimeError(msg)
                with lock:
                    answers.append((end - began, end - start))
                    received += answer.length
                if pause_s:
                    time.sleep(pause_s)
            connection.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
    finally:
        gc.enable()
    if failures:
        raise failures[0]
    answers.sort()
    ends, latencies = [end for end, _ in answers], [latency for _, latency in answers]
    return Load(seconds, latencies, ends, received)
