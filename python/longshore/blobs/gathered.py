"""Buffers that wait to be written together."""

from collections.abc import Sequence

from typing_extensions import Buffer


class Gathered:
    """Gathers small writes until they are worth one request or one system call."""

    def __init__(self, *, bytes_min: int) -> None:
        """Gathers at least so many bytes, unless told to flush."""
        self._bytes_min = bytes_min
        self._buffers: list[Buffer] = []
        self._byte_count = 0

    def add(self, buffers: Sequence[Buffer]) -> bool:
        """Adds n buffers; True if it is time to write."""
        self._buffers.extend(buffers)
        self._byte_count += sum(memoryview(buffer).nbytes for buffer in buffers)
        return self._byte_count >= self._bytes_min

    def take(self) -> list[Buffer]:
        """Returns what has gathered, and begins anew."""
        taken, self._buffers, self._byte_count = self._buffers, [], 0
        return taken


def check_head(head: bytes, *, length: int) -> None:
    """Checks that a head fits the room that was left for it.

    Raises:
        ValueError: It does not; a mistake in our code.
    """
    if len(head) != length:
        msg = f"a head of {len(head)} bytes does not fit into {length}"
        raise ValueError(msg)
