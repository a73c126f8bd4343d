"""What every blob backend does. One contract suite, `tests/blobs/`, runs on each of them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from typing_extensions import Buffer

from longshore.extent import Extent


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """One blob as a listing has it."""

    name: str
    length: int
    modified_at: datetime


class BlobWriter(Protocol):
    """A blob in the making: invisible until `commit` returns."""

    async def write(self, buffers: Sequence[Buffer]) -> None:
        """Appends n buffers behind the head. Returns when more may be written (backpressure)."""
        ...

    async def commit(self, *, head: bytes, tail: Sequence[Buffer]) -> None:
        """Puts `head` in the room reserved for it, appends `tail`, and makes the blob durable.

        Args:
            head: Exactly the `head_length` bytes that were reserved.
            tail: n buffers, together short enough for memory.
        """
        ...

    async def abort(self) -> None:
        """Removes what was written. Does nothing after a commit; may be called twice."""
        ...


class BlobReader(Protocol):
    """What is needed to read blobs."""

    async def read(self, extent: Extent) -> bytes:
        """Returns exactly the extent's bytes.

        Raises:
            BlobNotFound: No such blob.
            Unavailable: The blob is shorter than the extent.
        """
        ...

    def read_at_once(self, extent: Extent, head: bytes = b"", tail: bytes = b"") -> bytes | None:
        """Returns the extent's bytes between two others where nothing has to be waited for.

        Returns:
            None where something has, or anything is wrong: `read` tells what.
        """
        return None

    def stream(self, extent: Extent, *, chunk_bytes: int) -> AsyncIterator[bytes]:
        """Yields the extent's bytes in chunks of at most `chunk_bytes`; errors as `read`."""
        ...


class BlobStore(BlobReader, Protocol):
    """Immutable bytes by name and range.

    Names are relative paths of `[a-z0-9._/-]`, without empty, `.` or `..` steps.
    Every method raises `Unavailable` when the storage does not answer, is full or read-only.
    """

    async def put(self, name: str, buffers: Sequence[Buffer]) -> None:
        """Stores n buffers as one blob. Durable, folder entry included, when it returns.

        Raises:
            Conflict: The name is taken.
        """
        ...

    async def open_writer(self, name: str, *, head_length: int) -> BlobWriter:
        """Begins a blob whose length is not known yet; `head_length` bytes are written last.

        What is begun costs little until something is written, and nothing once it is aborted.
        """
        ...

    async def delete(self, name: str) -> None:
        """Removes a blob; a missing one is no error."""
        ...

    def list(self, prefix: str) -> AsyncIterator[BlobFacts]:
        """Yields every committed blob whose name begins with `prefix`, in no set order."""
        ...

    async def sweep_unfinished(self, *, age_s_min: float) -> int:
        """Removes writes that never finished and are older; returns how many."""
        ...

    async def check(self) -> None:
        """Raises `Unavailable` unless the storage can be written to now."""
        ...

    async def close(self) -> None:
        """Lets go of connections and threads."""
        ...
