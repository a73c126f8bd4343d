"""How a worker and a codec's process hand bytes to each other.

They lie in a file in memory, which both write and read with one copy; a message says how many.
Through pipes alone both sides would wait for one another, again and again, over one image.
"""

import os
import struct
from collections.abc import Sequence
from typing import Final

MESSAGE_BYTES_MAX: Final = 4_096
"""Of one message: eight bytes for each part."""


def write(file: int, parts: Sequence[memoryview]) -> bytes:
    """Writes n parts of bytes; returns the message about them.

    Raises:
        OSError: There is no memory left for them.
    """
    at = 0
    for part in parts:
        end = at + part.nbytes
        while at < end:
            at += os.pwrite(file, part[part.nbytes - (end - at) :], at)
    return struct.pack(f"<{len(parts)}Q", *(part.nbytes for part in parts))


def read(file: int, message: bytes) -> list[bytes]:
    """Returns the n parts that a message is about.

    Raises:
        EOFError: They are not there.
    """
    at = 0
    parts: list[bytes] = []
    for length in lengths(message):
        parts.append(_read(file, at, length))
        at += length
    return parts


def lengths(message: bytes) -> list[int]:
    """Returns the bytes of each part that a message is about."""
    return [length for (length,) in struct.iter_unpack("<Q", message)]


def _read(file: int, offset: int, length: int) -> bytes:
    found = os.pread(file, length, offset)
    if len(found) == length:
        return found
    # More than the kernel reads in one call.
    pieces = [found]
    left = length - len(found)
    while left:
        piece = os.pread(file, left, offset + length - left)
        if not piece:
            raise EOFError
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
