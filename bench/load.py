"""A load client that costs next to nothing: blocking sockets, prepared requests, threads."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

RECEIVE_BYTES = 1024**2
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Load:
    """What a load did."""

    seconds: float
    latencies_s: list[float]
    received_bytes: int

    def percentile_ms(self, share: float) -> float:
        """Returns a percentile of the latencies, in milliseconds."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Connection:
    """One kept-alive HTTP/1.1 connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(RECEIVE_BYTES)

    def ask(self, head: bytes, body: bytes = b"") -> tuple[int, int]:
        """Sends a request; returns the status and the bytes of the answer's body."""
        if body:
            self._socket.sendall(head)
            self._socket.sendall(body)
        else:
            self._socket.sendall(head)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        header = bytes(received[:end]).lower()
        status = int(header.split(b" ", 2)[1])
        rest = len(received) - end - 4
        if b"content-length:" in header:
            length = int(header.split(b"content-length:")[1].split(b"\r\n")[0])
            left = length - rest
            while left > 0:
                left -= len(self._receive())
            return status, length
        if b"transfer-encoding: chunked" in header:
            tail = bytes(received[-5:])
            while not tail.endswith(b"0\r\n\r\n"):
                chunk = self._receive()
                rest += len(chunk)
                tail = (tail + bytes(chunk[-5:]))[-5:]
            return status, rest
        return status, 0

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def _receive(self) -> memoryview:
        count = self._socket.recv_into(self._buffer)
        if count == 0:
            msg = "the server closed the connection"
            raise ConnectionError(msg)
        return memoryview(self._buffer)[:count]


def run(
    port: int,
    requests: Iterator[tuple[bytes, bytes]],
    *,
    connections: int,
    is_right: Callable[[int, int], bool],
) -> Load:
    """Sends all requests over so many connections at once.

    Args:
        requests: Head and body of each; taken from under a lock, so that it may be a generator.
        is_right: Says of a status and a body length whether the answer is right; a wrong one ends
            the load, since a benchmark that counts errors measures nothing.
    """
    lock = threading.Lock()
    latencies: list[float] = []
    received = 0
    failures: list[BaseException] = []

    def work() -> None:
        nonlocal received
        connection = Connection(port)
        try:
            while not failures:
                with lock:
                    request = next(requests, None)
                if request is None:
                    return
                began = time.perf_counter()
                status, length = connection.ask(*request)
                took = time.perf_counter() - began
                if not is_right(status, length):
                    msg = f"status {status} with {length} bytes"
                    raise RuntimeError(msg)
                with lock:
                    latencies.append(took)
                    received += length
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if failures:
        raise failures[0]
    return Load(seconds, latencies, received)
