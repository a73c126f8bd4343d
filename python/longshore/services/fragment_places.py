"""Where the values of a long frame's fragments lie (PS3.5 A.4), by reading item headers only.

So its length is known before it is sent, and any range of it can be read alone.
"""

import asyncio
from collections.abc import Callable, Sequence

from longshore.blobs.store import BlobReader
from longshore.errors import Unavailable
from longshore.extent import Extent
from longshore.services.retrieve_pieces import READS_MAX

FRAGMENT_COUNT_MAX = 256
"""Item headers that are read for one request; with more, bodies are sent without a length."""
ITEM_TAG = b"\xfe\xff\x00\xe0"
ITEM_HEADER_BYTES = 8


async def fragment_values(
    blobs: BlobReader, frames: Sequence[Extent], fault: Callable[[], Unavailable]
) -> list[list[Extent]] | None:
    """Returns the values of the fragments of n frames, frame by frame.

    Args:
        frames: n runs of fragments, item headers included.
        fault: Makes the error for bytes that are no fragments.

    Returns:
        n lists; None if there are more than `FRAGMENT_COUNT_MAX` in all.

    Raises:
        BlobNotFound: The pack is gone; locate again.
        Unavailable: The storage fails, or the bytes are not fragments.
    """
    if len(frames) > FRAGMENT_COUNT_MAX:
        return None
    turns = asyncio.Semaphore(READS_MAX)
    left = FRAGMENT_COUNT_MAX

    async def walk(frame: Extent) -> list[Extent] | None:
        nonlocal left
        values: list[Extent] = []
        offset = 0
        while offset < frame.length:
            left -= 1
            if left < 0:
                return None
            value_begin = offset + ITEM_HEADER_BYTES
            if value_begin > frame.length:
                raise fault()
            async with turns:
                header = await blobs.read(frame.within(offset, ITEM_HEADER_BYTES))
            length = int.from_bytes(header[4:], "little")
            if header[:4] != ITEM_TAG or value_begin + length > frame.length:
                raise fault()
            values.append(frame.within(value_begin, length))
            offset = value_begin + length
        return values

    walked = await asyncio.gather(*map(walk, frames), return_exceptions=True)
    places: list[list[Extent]] = []
    is_over = False
    for each in walked:  # all reads have ended: the first error is told, and none is left running
        if isinstance(each, BaseException):
            raise each
        if each is None:
            is_over = True
        else:
            places.append(each)
    return None if is_over else places
