"""Retrieve pixel data, PS3.18 10.4.1.1.6: of many instances, in their stored transfer syntaxes.

Native pixel data are one value, all frames together; compressed ones a value for each frame
(PS3.18 8.7.3.3).
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from longshore.blobs.store import BlobReader
from longshore.extent import Extent
from longshore.index.locate import FrameSource
from longshore.services.fragment_places import fragment_values
from longshore.services.retrieve import Binding, Plan, bind
from longshore.services.retrieve_contents import Content, plan_contents
from longshore.services.retrieve_frames import extent_within, fragment_pieces, frame_fault
from longshore.services.retrieve_pieces import Piece


@dataclass(frozen=True, slots=True)
class PixelValue:
    """What one part of the answer has.

    Attributes:
        frame_number: 1-based, of a compressed frame; None for native pixel data, which are whole.
        place: Offset in the Part 10 file and length, in bytes; of a compressed frame with its item
            headers.
    """

    source: FrameSource
    frame_number: int | None
    place: tuple[int, int]


def pixel_values(sources: Sequence[FrameSource]) -> list[PixelValue]:
    """Returns the values of n instances' pixel data, instance by instance, frames in order."""
    values: list[PixelValue] = []
    for source in sources:
        if source.is_native:
            length = (source.frame_bits * len(source.frame_indices) + 7) // 8
            values.append(PixelValue(source, None, (source.pixel_offset, length)))
        else:
            numbered = enumerate(source.extents, 1)
            values += [PixelValue(source, number, place) for number, place in numbered]
    return values


async def plan_pixels(blobs: BlobReader, values: Sequence[PixelValue], binding: Binding) -> Plan:
    """Plans a body of n values. With very many fragments its length stays unknown.

    Raises:
        BlobNotFound: A pack is gone; locate again.
        Unavailable: The storage fails, or the bytes are not where the index has them.
    """
    frames = [_frame(each) for each in values if each.frame_number is not None]
    fault = frame_fault(values[0].source)
    places = await fragment_values(blobs, frames, lambda: fault)
    if places is None:
        return Plan(None, lambda: bind(_pieces(blobs, values), binding))
    fragments = iter(places)
    contents: list[Content] = []
    heads: list[bytes] = []
    for head, value in zip(binding.heads, values, strict=True):
        located = value.source.located
        if value.frame_number is None:
            contents.append(_native(value))
            heads.append(head)
            continue
        # Even a frame without any fragment has its head.
        extents = next(fragments) or [_frame(value).within(0, 0)]
        start = located.payload.offset
        contents += [Content(located, each.offset - start, each.length) for each in extents]
        heads += [head, *[b""] * (len(extents) - 1)]
    return plan_contents(blobs, contents, Binding(heads, binding.tail))


async def _pieces(
    blobs: BlobReader, values: Sequence[PixelValue]
) -> AsyncGenerator[list[Piece], None]:
    for position, value in enumerate(values):
        if value.frame_number is None:
            plan = plan_contents(blobs, [_native(value)], Binding([b""], b""))
            async with aclosing(plan.open()) as chunks:
                async for chunk in chunks:
                    yield [Piece(position, chunk)]
            continue
        async with aclosing(fragment_pieces(blobs, [_frame(value)], value.source)) as groups:
            async for group in groups:
                yield [Piece(position, octets) for _, octets in group]


def _native(value: PixelValue) -> Content:
    content = Content(value.source.located, *value.place)
    if not content.is_deflated:
        extent_within(value.source, *value.place)  # or else it would show another instance's bytes
    return content


def _frame(value: PixelValue) -> Extent:
    return extent_within(value.source, *value.place)
