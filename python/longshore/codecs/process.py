"""One process in which codecs run, as its worker sees it."""

import asyncio
import contextlib
import os
import pickle
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

from longshore import errors
from longshore.codecs import child, exchange
from longshore.codecs.results import LONG_BYTES_MIN, Result, spooled

START_S_MAX: Final = 60.0
"""How long a process may take to start, in seconds."""
KEPT_BYTES: Final = 8 * 1024**2
"""What the file in memory keeps between tasks; more is given back."""
_INLINE_BYTES: Final = 1024**2
"""What is copied without a thread."""
_ENVIRONMENT: Final = {
    # Each process has one core to itself; threads of numerical libraries would only take memory.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # What one frame needed, up to 32 MiB, is kept for the next: glibc would give it back each time,
    # and the kernel fill it with zeros again, page by page.
    "MALLOC_MMAP_THRESHOLD_": str(8 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024**2),
}
_ERRORS: Final = {
    name: error
    for name, error in vars(errors).items()
    if isinstance(error, type) and issubclass(error, errors.LongshoreError)
}


class ProcessLost(Exception):
    """The process crashed, or was killed."""


class CodecProcess:
    """A process, a socket to it, and a file in memory that both have open."""

    def __init__(self, memory_bytes_max: int, seconds_max: float) -> None:
        """Starts it.

        Args:
            memory_bytes_max: That it may allocate.
            seconds_max: Of one task.

        Raises:
            OSError: There are no files or processes left; nothing of it stays.
        """
        self._memory_bytes_max = memory_bytes_max
        self._seconds_max = seconds_max
        with contextlib.ExitStack() as undo:
            # Apart from this process's memory, and never on a disk.
            self._file = os.memfd_create("longshore-codec")
            undo.callback(os.close, self._file)
            self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            undo.callback(self._control.close)
            self._control.setblocking(False)
            numbers = (its.fileno(), self._file, memory_bytes_max, seconds_max)
            with its:
                # Not forked: a worker has threads, whose locks would be held for ever in the copy.
                self._process = subprocess.Popen(  # noqa: S603  # our own module
                    [sys.executable, "-m", child.__name__, *map(str, numbers)],
                    stdin=subprocess.DEVNULL,
                    pass_fds=numbers[:2],
                    env=_ENVIRONMENT | os.environ,
                )
            undo.pop_all()
        self._is_ready = False

    @property
    def is_alive(self) -> bool:
        """False if it ended by itself."""
        return self._process.poll() is None

    async def run(self, task: Callable[..., bytes], arguments: tuple[Any, ...]) -> Result:
        """Returns what the task returns. After an error that is none of the task's, end it.

        Raises:
            LongshoreError: As the task has it.
            ProcessLost: The task crashed it.
            TimeoutError: The task took too long.
            Unavailable: There is no room for a long result.
            OSError: There is no memory left for what it is told.
        """
        if not self._is_ready:
            await self._started()
        parts = _parts(task, arguments)
        length = sum(part.nbytes for part in parts)
        message = await _copied(length, exchange.write, self._file, parts)
        async with asyncio.timeout(self._seconds_max):
            with contextlib.suppress(OSError):  # it is gone, as the answer tells
                self._control.send(message)
            answer = await self._message()
        try:
            return await self._result(answer)
        except (ValueError, EOFError, struct.error):
            # It is no longer what it was.
            raise ProcessLost from None
        finally:
            if os.fstat(self._file).st_size > KEPT_BYTES:
                os.ftruncate(self._file, 0)

    def kill(self) -> None:
        """Ends it, whatever it does; who waits for it gets `ProcessLost`."""
        self._process.kill()

    async def end(self) -> None:
        """Ends it, whatever it does; nobody may wait for it."""
        self.kill()
        self._control.close()
        os.close(self._file)
        await asyncio.to_thread(self._process.wait)

    async def _result(self, answer: bytes) -> Result:
        name_length, length = exchange.lengths(answer)
        if name_length + length > self._memory_bytes_max:
            raise EOFError
        if length >= LONG_BYTES_MIN and not name_length:
            return await _copied(length, spooled, self._file, length)
        name, result = exchange.read(self._file, answer)
        if name:
            raise _ERRORS.get(name.decode(), errors.Undecodable)(result.decode())
        return result

    async def _started(self) -> None:
        try:
            async with asyncio.timeout(START_S_MAX):
                await self._message()
        except TimeoutError:
            raise ProcessLost from None
        self._is_ready = True

    async def _message(self) -> bytes:
        try:
            loop = asyncio.get_running_loop()
            found = await loop.sock_recv(self._control, exchange.MESSAGE_BYTES_MAX)
        except ConnectionError:
            found = b""
        if not found:
            raise ProcessLost
        return found


def _parts(task: Callable[..., bytes], arguments: tuple[Any, ...]) -> list[memoryview]:
    """Returns the pickle of a call, and the contents of its arguments that are bytes."""
    buffers: list[pickle.PickleBuffer] = []
    apart = [pickle.PickleBuffer(each) if type(each) is bytes else each for each in arguments]
    pickled = pickle.dumps((task, apart), protocol=5, buffer_callback=buffers.append)
    return [memoryview(pickled), *(each.raw() for each in buffers)]


async def _copied(length: int, copy: Callable[[int, Any], Any], file: int, what: object) -> Any:
    if length <= _INLINE_BYTES:
        return copy(file, what)
    copying = asyncio.ensure_future(asyncio.to_thread(copy, file, what))
    try:
        return await asyncio.shield(copying)
    except asyncio.CancelledError:
        # A thread goes on, and what is behind this closes the file.
        await asyncio.wait([copying])
        raise
