"""A file in the making, written around the page cache where it is long.

What a fleet stores would push everything else out of the page cache, the index first of all, and
each fresh page of it costs the kernel more than the write itself. So long files are written from
one aligned buffer (O_DIRECT); file systems that cannot do that get the same writes through the
cache.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Self

from typing_extensions import Buffer

from longshore._native import copy_into

DIRECT_BYTES_MIN = 256 * 1024
"""Shorter files go through the page cache: one write is cheaper than a copy and one write."""
BUFFER_BYTES = 4 * 1024**2
"""What is written at a time, in bytes."""
BUFFER_COUNT = 4
"""Buffers of a process, kept for good: fresh memory is slow to touch."""
ALIGNMENT_BYTES = 4096
"""Of memory, offsets and lengths: no disk in use has longer blocks."""
IOV_COUNT_MAX = 1024
"""Buffers of one writev (Linux IOV_MAX)."""


class _Buffers:
    """Lends aligned buffers to as many threads as there are buffers; the others wait."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(BUFFER_COUNT)
        self._idle: list[mmap.mmap] = []

    @contextlib.contextmanager
    def lent(self) -> Generator[mmap.mmap]:
        """Lends a buffer of `BUFFER_BYTES`."""
        with self._free:
            buffer = self._idle.pop() if self._idle else mmap.mmap(-1, BUFFER_BYTES)
            try:
                yield buffer
            finally:
                self._idle.append(buffer)


_buffers = _Buffers()


class Output:
    """An open file that grows. Between two writes it keeps less than a block in memory.

    A thread may be at it that nobody waits for any more: whoever closes the file waits for it.
    """

    def __init__(self, descriptor: int, *, head_length: int, is_direct: bool) -> None:
        self.descriptor = descriptor
        self._is_direct = is_direct
        self._offset = 0
        self._rest = bytes(head_length)
        self._is_closed = False
        self._turn = threading.Lock()

    @classmethod
    def create(cls, path: Path, *, head_length: int = 0, is_direct: bool) -> Self:
        """Creates a file whose first `head_length` bytes, less than a block, are written last."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o644)
        is_direct = is_direct and _set_direct(descriptor, wanted=True)
        if head_length and not is_direct:
            os.lseek(descriptor, head_length, os.SEEK_SET)
        return cls(descriptor, head_length=head_length, is_direct=is_direct)

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Appends n buffers.

        Raises:
            ValueError: The file is closed.
        """
        with self._turn:
            self._append(buffers, is_last=False)

    def end(self, buffers: Sequence[Buffer], *, head: bytes = b"") -> None:
        """Appends the last n buffers and writes the head. The file is not synced yet."""
        with self._turn:
            self._append(buffers, is_last=True)
            if head:
                self._be_cached()
                if os.pwrite(self.descriptor, head, 0) != len(head):
                    raise OSError(errno.EIO, "short write")

    def close(self) -> None:
        """Lets go of the file. May be called twice."""
        with self._turn:
            if not self._is_closed:
                self._is_closed = True
                os.close(self.descriptor)

    def _append(self, buffers: Sequence[Buffer], *, is_last: bool) -> None:
        if self._is_closed:
            raise ValueError("the file is closed")
        if not self._is_direct:
            write_all(self.descriptor, buffers)
            return
        views = [memoryview(buffer).cast("B") for buffer in [self._rest, *buffers]]
        with _buffers.lent() as buffer, memoryview(buffer) as view:
            filled = 0
            while views:
                filled = copy_into(buffer, filled, _fitting(views, BUFFER_BYTES - filled))
                if filled == BUFFER_BYTES:
                    self._write(view)
                    filled = 0
            whole = filled - filled % ALIGNMENT_BYTES
            self._write(view[:whole])
            self._rest = bytes(view[whole:filled])
            if is_last and self._rest:
                # A whole block, cut off behind what is meant.
                length = self._offset + len(self._rest)
                self._write(view[whole : whole + ALIGNMENT_BYTES])
                os.ftruncate(self.descriptor, length)

    def _write(self, view: memoryview) -> None:
        """Writes whole blocks at the file's end."""
        written = 0
        while written < len(view):
            written += self._write_some(view[written:], self._offset + written)
        self._offset += written

    def _write_some(self, view: memoryview, offset: int) -> int:
        try:
            return os.pwrite(self.descriptor, view, offset)
        except OSError as error:
            # Some file systems take the flag, but not the write.
            if error.errno != errno.EINVAL:
                raise
            self._be_cached()
            return os.pwrite(self.descriptor, view, offset)

    def _be_cached(self) -> None:
        _set_direct(self.descriptor, wanted=False)


def write_all(descriptor: int, buffers: Sequence[Buffer]) -> None:
    """Writes n buffers without joining them."""
    left = [view for buffer in buffers if (view := memoryview(buffer).cast("B"))]
    at = 0
    while at < len(left):
        written = os.writev(descriptor, left[at : at + IOV_COUNT_MAX])
        while at < len(left) and written >= left[at].nbytes:
            written -= left[at].nbytes
            at += 1
        if written:
            left[at] = left[at][written:]


def _fitting(views: list[memoryview], room: int) -> Sequence[memoryview]:
    """Takes from the front of `views` what there is room for; cuts one where needed."""
    count = 0
    while count < len(views) and views[count].nbytes <= room:
        room -= views[count].nbytes
        count += 1
    fitting = views[:count]
    if count < len(views) and room:
        fitting.append(views[count][:room])
        views[count] = views[count][room:]
    del views[:count]
    return fitting


def _set_direct(descriptor: int, *, wanted: bool) -> bool:
    """Turns O_DIRECT on or off; False where the file system does not have it."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    flags = flags | os.O_DIRECT if wanted else flags & ~os.O_DIRECT
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return True
