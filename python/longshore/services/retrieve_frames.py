"""Retrieve frames, PS3.18 10.4.1.1.3: the frames of one instance in its stored transfer syntax.

A frame is a range of the Part 10 file. Native frames are that range, or lie within its bits;
compressed ones are the fragments in it, without their item headers (PS3.5 A.4).
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from longshore.blobs.store import BlobReader
from longshore.errors import Unavailable
from longshore.extent import Extent
from longshore.index.locate import FrameSource
from longshore.services.fragment_places import ITEM_HEADER_BYTES, ITEM_TAG, fragment_values
from longshore.services.inflated import DEFLATED, InflatedFile
from longshore.services.retrieve import (
    Binding,
    Plan,
    bind,
    plan_bytes,
    plan_cuts,
    plan_extents,
)
from longshore.services.retrieve_cut import Cut
from longshore.services.retrieve_pieces import Piece, read_pieces

# Frames up to here are held, so that their length is known first. Most requests ask for far less.
HELD_BYTES_MAX = 1024 * 1024

_ITEM_HEADER_FAULT = "The frames of instance {} are not where the index has them."


async def plan_frames(blobs: BlobReader, source: FrameSource, binding: Binding) -> Plan:
    """Plans a body of n frames in the order asked.

    Reads now what must be read to know the length; for long compressed frames it stays unknown.

    Raises:
        BlobNotFound: The pack is gone; locate again.
        Unavailable: The storage fails, or the bytes are not fragments.
    """
    if source.is_native:
        return await _plan_native(blobs, source, binding)
    extents = [extent_within(source, offset, length) for offset, length in source.extents]
    if sum(extent.length for extent in extents) <= HELD_BYTES_MAX:
        return plan_bytes(await _held_frames(blobs, extents, source), binding)
    places = await fragment_values(blobs, extents, lambda: frame_fault(source))
    if places is None:
        return Plan(None, lambda: bind(fragment_pieces(blobs, extents, source), binding))
    values: list[Extent] = []
    heads: list[bytes] = []
    for head, frame, extent in zip(binding.heads, places, extents, strict=True):
        # Even a frame without any fragment has its head.
        values += frame or [extent.within(0, 0)]
        heads += [head, *[b""] * (len(frame) - 1)]
    return plan_extents(blobs, values, Binding(heads, binding.tail))


async def _held_frames(
    blobs: BlobReader, extents: Sequence[Extent], source: FrameSource
) -> list[bytes]:
    """Returns the values of the fragments in n extents, joined to n frames."""
    if len(extents) == 1:
        return [_joined(await blobs.read(extents[0]), source)]
    runs: list[list[bytes | memoryview]] = [[] for _ in extents]
    async with aclosing(read_pieces(blobs, extents)) as groups:
        async for group in groups:
            for index, octets in group:
                runs[index].append(octets)
    return [_joined(b"".join(pieces), source) for pieces in runs]


def _joined(fragments: bytes, source: FrameSource) -> bytes:
    stripper = _Stripper(lambda: frame_fault(source))
    values = stripper.feed(fragments)
    stripper.finish()
    return b"".join(values)


async def _plan_native(blobs: BlobReader, source: FrameSource, binding: Binding) -> Plan:
    is_deflated = source.located.transfer_syntax_uid == DEFLATED
    if source.frame_bits % 8 == 0 and not is_deflated:
        length = source.frame_bits // 8
        offsets = [source.pixel_offset + index * length for index in source.frame_indices]
        return plan_extents(
            blobs, [extent_within(source, each, length) for each in offsets], binding
        )
    frame_bytes = (source.frame_bits + 7) // 8
    lengths = [frame_bytes] * len(source.frame_indices)
    if is_deflated:
        file = InflatedFile(blobs, source.located.payload)
        return plan_cuts(lengths, lambda cuts: _shifted(file.read, source, cuts), binding)

    async def read(offset: int, length: int) -> bytes:
        return await blobs.read(extent_within(source, offset, length))

    return plan_cuts(lengths, lambda cuts: _shifted(read, source, cuts), binding)


async def _shifted(
    read: Callable[[int, int], Awaitable[bytes]], source: FrameSource, cuts: Sequence[Cut]
) -> AsyncGenerator[list[Piece], None]:
    """Yields cuts of native frames one by one, also of those that begin within a byte.

    `read` takes offset and length in the Part 10 file, in bytes.

    The first pixel is the lowest bit of the first byte (PS3.5 8.1.1), in the frame as in the file;
    the bits behind a frame's last pixel are 0.
    """
    for position, cut in enumerate(cuts):
        first_bit = source.frame_indices[cut.at] * source.frame_bits + 8 * cut.offset
        wanted_bits = min(8 * cut.length, source.frame_bits - 8 * cut.offset)
        skip_bytes, skip_bits = divmod(first_bit, 8)
        length = (skip_bits + wanted_bits + 7) // 8
        octets = await read(source.pixel_offset + skip_bytes, length) if cut.length else b""
        if source.frame_bits % 8:
            octets = await asyncio.to_thread(_shift, octets, skip_bits, wanted_bits)
        yield [Piece(position, octets)]


def _shift(octets: bytes, skip_bits: int, frame_bits: int) -> bytes:
    bits = int.from_bytes(octets, "little") >> skip_bits
    return (bits & ((1 << frame_bits) - 1)).to_bytes((frame_bits + 7) // 8, "little")


def extent_within(source: FrameSource, offset: int, length: int) -> Extent:
    """Returns a range of the Part 10 file as an extent of its pack.

    Raises:
        Unavailable: The range leaves the file, so it would show another instance's bytes.
    """
    payload = source.located.payload
    if offset < 0 or length < 0 or offset + length > payload.length:
        raise frame_fault(source)
    return Extent(payload.blob, payload.offset + offset, length)


def frame_fault(source: FrameSource) -> Unavailable:
    """Returns the error for bytes that are not what the index says."""
    return Unavailable(_ITEM_HEADER_FAULT.format(source.located.sop_instance_uid))


async def fragment_pieces(
    blobs: BlobReader, extents: Sequence[Extent], source: FrameSource
) -> AsyncGenerator[list[Piece], None]:
    """Yields the values of the fragments in n extents, one after the other."""
    stripper = _Stripper(lambda: frame_fault(source))
    current = 0
    async with aclosing(read_pieces(blobs, extents)) as groups:
        async for group in groups:
            values: list[Piece] = []
            for index, octets in group:
                if index != current:
                    stripper.finish()
                    current = index
                values += [Piece(index, value) for value in stripper.feed(octets)]
            if values:
                yield values
    stripper.finish()


class _Stripper:
    """Takes item headers out of a run of fragments, fed in pieces of any size."""

    def __init__(self, fault: Callable[[], Unavailable]) -> None:
        self._fault = fault
        self._header = b""
        self._value_bytes = 0  # still to come of the current fragment

    def feed(self, octets: bytes | memoryview) -> list[bytes | memoryview]:
        """Returns the value bytes among the next octets."""
        view, values = memoryview(octets), list[bytes | memoryview]()
        while len(view):
            if self._value_bytes:
                value, view = view[: self._value_bytes], view[self._value_bytes :]
                self._value_bytes -= len(value)
                values.append(value)
                continue
            wanted = ITEM_HEADER_BYTES - len(self._header)
            self._header += bytes(view[:wanted])
            view = view[wanted:]
            if len(self._header) == ITEM_HEADER_BYTES:
                self._begin_fragment()
        return values

    def finish(self) -> None:
        """Ends a frame.

        Raises:
            Unavailable: It ends within a fragment or a header.
        """
        if self._header or self._value_bytes:
            raise self._fault()

    def _begin_fragment(self) -> None:
        if self._header[:4] != ITEM_TAG:
            raise self._fault()
        self._value_bytes = int.from_bytes(self._header[4:], "little")
        self._header = b""
