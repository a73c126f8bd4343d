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
from longshore.services.inflated import DEFLATED, InflatedFile
from longshore.services.retrieve import Binding, Plan, bind, plan_bytes, plan_extents
from longshore.services.retrieve_pieces import Piece, read_pieces

# Frames up to here are held, so that their length is known first. Most requests ask for far less.
HELD_BYTES_MAX = 1024 * 1024

_ITEM_TAG = b"\xfe\xff\x00\xe0"
_ITEM_HEADER_BYTES = 8
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
    extents = [_within(source, offset, length) for offset, length in source.extents]
    if sum(extent.length for extent in extents) <= HELD_BYTES_MAX:
        frames = [bytearray() for _ in extents]
        async with aclosing(_fragments(blobs, extents, source)) as groups:
            async for group in groups:
                for index, octets in group:
                    frames[index] += octets
        return plan_bytes([bytes(frame) for frame in frames], binding)
    length = await _length_of_one_fragment(blobs, extents)
    total = None if length is None else binding.length + length
    return Plan(total, lambda: bind(_fragments(blobs, extents, source), binding))


async def _plan_native(blobs: BlobReader, source: FrameSource, binding: Binding) -> Plan:
    is_deflated = source.located.transfer_syntax_uid == DEFLATED
    if source.frame_bits % 8 == 0 and not is_deflated:
        length = source.frame_bits // 8
        offsets = [source.pixel_offset + index * length for index in source.frame_indices]
        return plan_extents(blobs, [_within(source, each, length) for each in offsets], binding)
    frame_bytes = (source.frame_bits + 7) // 8
    total = binding.length + frame_bytes * len(source.frame_indices)
    if is_deflated:
        file = InflatedFile(blobs, source.located.payload)
        return Plan(total, lambda: bind(_shifted(file.read, source), binding))

    async def read(offset: int, length: int) -> bytes:
        return await blobs.read(_within(source, offset, length))

    return Plan(total, lambda: bind(_shifted(read, source), binding))


async def _shifted(
    read: Callable[[int, int], Awaitable[bytes]], source: FrameSource
) -> AsyncGenerator[list[Piece], None]:
    """Yields native frames one by one, also those that begin within a byte.

    `read` takes offset and length in the Part 10 file, in bytes.

    The first pixel is the lowest bit of the first byte (PS3.5 8.1.1), in the frame as in the file;
    the bits behind a frame's last pixel are 0.
    """
    for position, index in enumerate(source.frame_indices):
        skip_bytes, skip_bits = divmod(index * source.frame_bits, 8)
        length = (skip_bits + source.frame_bits + 7) // 8
        octets = await read(source.pixel_offset + skip_bytes, length)
        if source.frame_bits % 8:
            octets = await asyncio.to_thread(_shift, octets, skip_bits, source.frame_bits)
        yield [Piece(position, octets)]


def _shift(octets: bytes, skip_bits: int, frame_bits: int) -> bytes:
    bits = int.from_bytes(octets, "little") >> skip_bits
    return (bits & ((1 << frame_bits) - 1)).to_bytes((frame_bits + 7) // 8, "little")


def _within(source: FrameSource, offset: int, length: int) -> Extent:
    """Returns a range of the Part 10 file as an extent of its pack.

    Raises:
        Unavailable: The range leaves the file, so it would show another instance's bytes.
    """
    payload = source.located.payload
    if offset < 0 or length < 0 or offset + length > payload.length:
        raise Unavailable(_ITEM_HEADER_FAULT.format(source.located.sop_instance_uid))
    return Extent(payload.blob, payload.offset + offset, length)


async def _length_of_one_fragment(blobs: BlobReader, extents: Sequence[Extent]) -> int | None:
    """Returns the length of a frame that is one fragment, which most are; else None."""
    if len(extents) != 1 or extents[0].length < _ITEM_HEADER_BYTES:
        return None
    extent = extents[0]
    header = await blobs.read(Extent(extent.blob, extent.offset, _ITEM_HEADER_BYTES))
    length = int.from_bytes(header[4:], "little")
    return length if length + _ITEM_HEADER_BYTES == extent.length else None


async def _fragments(
    blobs: BlobReader, extents: Sequence[Extent], source: FrameSource
) -> AsyncGenerator[list[Piece], None]:
    """Yields the values of the fragments in n extents, one after the other."""

    def fault() -> Unavailable:
        return Unavailable(_ITEM_HEADER_FAULT.format(source.located.sop_instance_uid))

    stripper = _Stripper(fault)
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
            wanted = _ITEM_HEADER_BYTES - len(self._header)
            self._header += bytes(view[:wanted])
            view = view[wanted:]
            if len(self._header) == _ITEM_HEADER_BYTES:
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
        if self._header[:4] != _ITEM_TAG:
            raise self._fault()
        self._value_bytes = int.from_bytes(self._header[4:], "little")
        self._header = b""
