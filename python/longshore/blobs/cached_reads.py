"""Reads of local files that wait for no disk, and so need no thread.

A thread costs more than copying half a megabyte: on its way there and back it waits for Python's
lock, which a busy event loop seldom lets go.
"""

from longshore._native import read_cached

CACHED_READ_BYTES_MAX = 1024 * 1024
"""Longest read that is tried; copying so much takes a fraction of a millisecond."""


class CachedReads:
    """Reads from the page cache, where the file system can say that it would have to wait."""

    def __init__(self) -> None:
        """Assumes that the file system can."""
        self._is_told = True

    def read(
        self, path: str, length: int, offset: int, head: bytes = b"", tail: bytes = b""
    ) -> bytes | None:
        """Returns all of the bytes between `head` and `tail`.

        Returns:
            None if a disk has to be waited for, or anything is wrong.
        """
        if not self._is_told or length > CACHED_READ_BYTES_MAX:
            return None
        try:
            return read_cached(path, offset, length, head, tail)
        except OSError:
            # This file system cannot tell (network file systems, say). Opening a file there may
            # take long, too: nothing is tried any more.
            self._is_told = False
            return None
