"""Retrieve (WADO-RS), PS3.18 10.4: from what the index located to streams of bytes.

A `Plan` is made without reading, so that its length, an ETag and the status are known before the
first byte. Memory per request: one chunk as read and one as sent, `CHUNK_BYTES` each.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from longshore.blobs.store import BlobReader
from longshore.errors import BlobNotFound
from longshore.extent import Extent
from longshore.index.locate import Located
from longshore.services.retrieve_cut import Binding, Cut, bare, cut_body, cut_values, whole
from longshore.services.retrieve_pieces import Piece, read_pieces

__all__ = [
    "Binding",
    "Plan",
    "Source",
    "bare",
    "bind",
    "entity_tag",
    "in_pack_order",
    "plan_bytes",
    "plan_cuts",
    "plan_extents",
    "relocating",
]

_APART_BYTES_MIN = 64 * 1024
_TURN_BYTES = 1024 * 1024
"""That one client is sent before others get their turn."""
_TAG_BYTES = 8  # 16 hex digits
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Plan:
    """A body that can be sent.

    Attributes:
        length: Bytes of the whole body; None where only sending it will tell.
        open: Begins to read; close what it returns.
        cut: Plans `length` bytes of the body from its byte `first` (0-based) on, both within it;
            reads no others. None where the body can only be had as a whole.
        at_once: Returns the whole body if nothing has to be waited for, or else None.
    """

    length: int | None
    open: Callable[[], AsyncGenerator[bytes, None]]
    cut: Callable[[int, int], "Plan"] | None = None
    at_once: Callable[[], bytes | None] = lambda: None


Source = Callable[[Sequence[Cut]], AsyncGenerator[list[Piece], None]]
"""Reads m cuts in order; a piece's position is its cut's."""


def plan_cuts(lengths: Sequence[int], source: Source, binding: Binding) -> Plan:
    """Plans a body of n contents, each behind its head.

    Args:
        lengths: Bytes of the n contents.
        source: Reads any cuts of them.
        binding: n heads and a tail.
    """

    def cut(first: int, length: int) -> Plan:
        cuts, around = cut_body(lengths, binding, first, length)
        return Plan(length, lambda: bind(source(cuts), around))

    length = binding.length + sum(lengths)
    return Plan(length, lambda: bind(source(whole(lengths)), binding), cut)


def plan_extents(blobs: BlobReader, extents: Sequence[Extent], binding: Binding) -> Plan:
    """Plans a body of n extents in the order given, each behind its head."""

    def source(cuts: Sequence[Cut]) -> AsyncGenerator[list[Piece], None]:
        return read_pieces(blobs, [extents[each.at].within(each[1], each[2]) for each in cuts])

    plan = plan_cuts([each.length for each in extents], source, binding)

    def at_once() -> bytes | None:
        if len(extents) > 1:
            return None
        return blobs.read_at_once(extents[0], binding.heads[0], binding.tail)

    return Plan(plan.length, lambda: _extents(blobs, extents, binding), plan.cut, at_once)


async def _extents(
    blobs: BlobReader, extents: Sequence[Extent], binding: Binding
) -> AsyncGenerator[bytes, None]:
    """Yields a body of n extents.

    Long ones each in one piece with its head, as long as they can be had at once: no thread, and
    no other copy. The rest in the chunks that are read.
    """
    at = 0
    without_turn = 0
    while at < len(extents) and extents[at].length >= _APART_BYTES_MIN:
        tail = binding.tail if at + 1 == len(extents) else b""
        piece = blobs.read_at_once(extents[at], binding.heads[at], tail)
        if piece is None:
            break
        yield piece
        without_turn += extents[at].length
        at += 1
        # A fast client would have the thread of all sockets to itself, as long as its next piece
        # is always there; a turn through another thread lets the others in.
        if without_turn >= _TURN_BYTES:
            await asyncio.to_thread(_nothing)
            without_turn = 0
    if at < len(extents) or not extents:
        rest = Binding(binding.heads[at:], binding.tail)
        async with aclosing(bind(read_pieces(blobs, extents[at:]), rest)) as chunks:
            async for chunk in chunks:
                yield chunk


def _nothing() -> None:
    """Takes a thread's turn."""


def plan_bytes(values: Sequence[bytes], binding: Binding) -> Plan:
    """Plans a body of n values that are in memory already."""

    async def source(cuts: Sequence[Cut]) -> AsyncGenerator[list[Piece], None]:
        yield cut_values(values, cuts)

    plan = plan_cuts([len(each) for each in values], source, binding)

    def at_once() -> bytes | None:
        if plan.length is None or plan.length >= _APART_BYTES_MIN:
            return None
        parts = [part for pair in zip(binding.heads, values, strict=True) for part in pair]
        return b"".join([*parts, binding.tail])

    return Plan(plan.length, plan.open, plan.cut, at_once)


async def bind(
    pieces: AsyncGenerator[list[Piece], None], binding: Binding
) -> AsyncGenerator[bytes, None]:
    """Yields heads, pieces and tail in order.

    What was read in one chunk goes out in one, but for long pieces: sending twice costs less than
    copying them.
    """
    begun = 0
    async with aclosing(pieces):
        async for group in pieces:
            run: list[bytes | memoryview] = []
            for index, octets in group:
                run.extend(binding.heads[begun : index + 1])
                begun = max(begun, index + 1)
                if isinstance(octets, bytes) and len(octets) >= _APART_BYTES_MIN:
                    if run:
                        yield b"".join(run)
                        run = []
                    yield octets
                    continue
                run.append(octets)
            if not run:
                continue
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
