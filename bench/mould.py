"""Instances by the thousand for next to nothing: one template, cut where instances differ.

The values that differ have a fixed length, so that every length in the file stays right, and the
pixel data are one buffer that all instances share: a body of 53 MB costs the client 600 kB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BOUNDARY = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"
CONTENT_TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY.decode()}'
PART_HEAD = b"--" + BOUNDARY + b"\r\nContent-Type: application/dicom\r\n\r\n"
"""What stands before the file of each part."""
_END = b"--" + BOUNDARY + b"--\r\n"


@dataclass(frozen=True)
class Request:
    """What a client sends: n buffers, of which the first is the head."""

    pieces: Sequence[bytes]
    length: int


class Mould:
    """A part of a body with slots."""

    def __init__(
        self, constants: Sequence[bytes], slots: Sequence[tuple[str, int]], shared: bytes
    ) -> None:
        """Takes n slots, each a name and a length, between n + 1 constants."""
        self._constants = constants
        self._slots = slots
        self._shared = shared
        self._names = [name for name, _ in slots]
        self._format = b"%b".join(each.replace(b"%", b"%%") for each in constants)
        self._head_length = sum(map(len, constants)) + sum(length for _, length in slots)

    def pour(self, values: Mapping[str, bytes]) -> tuple[bytes, bytes]:
        """Returns a part in two pieces, the second of which all parts share."""
        head = self._format % tuple([values[name] for name in self._names])
        if len(head) != self._head_length:
            msg = "a value does not have the length of its slot"
            raise ValueError(msg)
        return head, self._shared

    def bound(self, values: Mapping[str, bytes]) -> "Mould":
        """Returns the mould with some slots filled for good: what a study has in common."""
        constants, slots = [self._constants[0]], list[tuple[str, int]]()
        for (name, length), constant in zip(self._slots, self._constants[1:], strict=True):
            if name in values:
                constants[-1] += values[name] + constant
            else:
                slots.append((name, length))
                constants.append(constant)
        return Mould(constants, slots, self._shared)


def cut(content: bytes, slots: Mapping[str, bytes], *, shared_bytes: int) -> Mould:
    """Cuts a Part 10 file where instances differ.

    Args:
        slots: The value that stands for each slot in the file, wherever it occurs.
        shared_bytes: The last bytes of the file, without slots.
    """
    head, shared = content[:-shared_bytes], content[-shared_bytes:]
    found = sorted((at, name) for name, value in slots.items() for at in _positions(head, value))
    constants: list[bytes] = []
    end = 0
    for at, name in found:
        constants.append(head[end:at])
        end = at + len(slots[name])
    constants.append(head[end:])
    constants[0] = PART_HEAD + constants[0]
    lengths = [(name, len(slots[name])) for _, name in found]
    return Mould(constants, lengths, shared + b"\r\n")


def store_request(root: str, parts: Sequence[tuple[bytes, bytes]]) -> Request:
    """Returns a Store of n parts, at least one."""
    pieces = [piece for part in parts for piece in part]
    pieces.append(_END)
    length = sum(map(len, pieces))
    head = (
        f"POST {root}/studies HTTP/1.1\r\nHost: bench\r\nAccept: application/dicom+json\r\n"
        f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {length}\r\n\r\n"
    )
    return Request([head.encode(), *pieces], length)


def get_request(path: str, accept: str, *, gzip: bool = False) -> Request:
    """Returns a Search or a Retrieve."""
    encoding = "Accept-Encoding: gzip\r\n" if gzip else ""
    head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: {accept}\r\n{encoding}\r\n"
    return Request([head.encode()], 0)


def _positions(content: bytes, value: bytes) -> list[int]:
    found: list[int] = []
    at = content.find(value)
    if at < 0:
        msg = "a slot's value is not in the template"
        raise ValueError(msg)
    while at >= 0:
        found.append(at)
        at = content.find(value, at + len(value))
    return found
