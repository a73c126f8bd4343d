"""Retrieve (WADO-RS), PS3.18 10.4: from what the index located to streams of bytes.

A `Plan` is made without reading, so that its length, an ETag and the status are known before the
first byte. Memory per request: one chunk as read and one as sent, `CHUNK_BYTES` each.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from longshore.blobs.store import BlobReader
from longshore.errors import BlobNotFound
from longshore.extent import Extent
from longshore.index.locate import Located
from longshore.services.retrieve_pieces import Piece, read_pieces

_TAG_BYTES = 8  # 16 hex digits
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Plan:
    """A body that can be sent.

    Attributes:
        length: Bytes of the whole body; None where only sending it will tell.
        open: Begins to read; close what it returns.
    """

    length: int | None
    open: Callable[[], AsyncGenerator[bytes, None]]


@dataclass(frozen=True, slots=True)
class Binding:
    """What goes around the bytes of n extents: n heads, one before each, and a tail."""

    heads: Sequence[bytes]
    tail: bytes

    @property
    def length(self) -> int:
        """Bytes of all heads and the tail."""
        return sum(map(len, self.heads)) + len(self.tail)


def bare() -> Binding:
    """Returns the binding of a single part: nothing."""
    return Binding((b"",), b"")


def plan_extents(blobs: BlobReader, extents: Sequence[Extent], binding: Binding) -> Plan:
    """Plans a body of n extents in the order given, each behind its head."""
    length = binding.length + sum(extent.length for extent in extents)
    return Plan(length, lambda: bind(read_pieces(blobs, extents), binding))


def plan_bytes(values: Sequence[bytes], binding: Binding) -> Plan:
    """Plans a body of n values that are in memory already."""

    async def pieces() -> AsyncGenerator[list[Piece], None]:
        yield [Piece(index, value) for index, value in enumerate(values)]

    return Plan(binding.length + sum(map(len, values)), lambda: bind(pieces(), binding))


async def bind(
    pieces: AsyncGenerator[list[Piece], None], binding: Binding
) -> AsyncGenerator[bytes, None]:
    """Yields heads, pieces and tail in order; what was read in one chunk goes out in one."""
    begun = 0
    async with aclosing(pieces):
        async for group in pieces:
            run: list[bytes | memoryview] = []
            for index, octets in group:
                run.extend(binding.heads[begun : index + 1])
                begun = max(begun, index + 1)
                run.append(octets)
            # A chunk within one long extent is passed on without a copy.
            yield run[0] if len(run) == 1 and isinstance(run[0], bytes) else b"".join(run)
    yield b"".join([*binding.heads[begun:], binding.tail])


def in_pack_order(located: Sequence[Located]) -> list[Located]:
    """Returns instances pack by pack, packs as they come first, within a pack by offset.

    So what was stored together is read in one go, payloads and metadata alike.
    """
    packs: dict[str, int] = {}
    for each in located:
        packs.setdefault(each.payload.blob, len(packs))
    return sorted(located, key=lambda each: (packs[each.payload.blob], each.payload.offset))


def entity_tag(located: Sequence[Located], representation: str) -> str:
    """Returns 16 hex digits that change when an instance comes, goes or is replaced.

    Args:
        located: n instances in the index's order; where they lie does not matter.
        representation: What else makes the bytes differ: media type, coding, URLs.
    """
    digest = blake2b(representation.encode(), digest_size=_TAG_BYTES)
    for each in located:
        digest.update(each.instance_key.to_bytes(8, "big"))
    return digest.hexdigest()


async def relocating(answer: Callable[[], Awaitable[_T]]) -> _T:
    """Answers; once more, from the start, if a pack vanished after it was located.

    A delete or a compaction may come between. Only works before the first byte has left.
    """
    try:
        return await answer()
    except BlobNotFound:
        return await answer()
