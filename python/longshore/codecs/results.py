"""What a codec's process made: bytes, or a file where that is long.

A user agent may be slow to take it, and many may be: then they hold a disk, and not the memory.
"""

import contextlib
import os
import tempfile
from typing import Final

from longshore.errors import Unavailable

LONG_BYTES_MIN: Final = 4 * 1024**2
"""What is as long as this goes to a file."""


class LongResult:
    """A file without a name, in the folder for temporary files; it goes with the last who holds it.

    Its length is `len()`, in bytes.
    """

    def __init__(self, file: int, length: int) -> None:
        """Takes over a file.

        Args:
            file: Its descriptor.
            length: Its bytes.
        """
        self._file = file
        self._length = length

    def __len__(self) -> int:
        """Returns the number of bytes."""
        return self._length

    def __del__(self) -> None:
        """Gives the disk back."""
        os.close(self._file)

    def read(self, offset: int, length: int) -> bytes:
        """Returns some bytes, all of them within the file."""
        return os.pread(self._file, length, offset)


Result = bytes | LongResult


def spooled(source: int, length: int) -> LongResult:
    """Copies the beginning of a file, which no memory of this process has to hold.

    Raises:
        EOFError: It is shorter.
        Unavailable: There is no room on the disk.
    """
    try:
        with tempfile.TemporaryFile(buffering=0) as unnamed, contextlib.ExitStack() as undo:
            file = os.dup(unnamed.fileno())
            undo.callback(os.close, file)
            at = 0
            while at < length:
                count = os.sendfile(file, source, at, length - at)
                if not count:
                    raise EOFError
                at += count
            undo.pop_all()
            return LongResult(file, length)
    except OSError:
        raise Unavailable(
            f"There is no room for {length} bytes in the folder for temporary files (TMPDIR). Send"
            " the request again later."
        ) from None
