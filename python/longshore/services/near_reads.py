"""Many short extents read from storage: those that lie close together in one blob are one read."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from longshore.blobs.store import BlobReader
from longshore.errors import BlobNotFound
from longshore.extent import Extent

GAP_BYTES_MAX = 16 * 1024
"""Reading over less costs less than another request to storage."""

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Bounds of the reads for one purpose.

    Attributes:
        count_max: Reads at the same time.
        bytes_max: Of one read, unless a single extent is longer.
    """

    count_max: int
    bytes_max: int


async def read_near(
    blobs: BlobReader,
    located: Iterable[tuple[Extent, _Item]],
    use: Callable[[Sequence[tuple[_Item, bytes]]], Awaitable[None]],
    limits: ReadLimits,
    *,
    miss: Callable[[_Item], None] | None = None,
) -> None:
    """Reads n extents and hands over what each read gave, several reads at a time.

    Args:
        located: Extents, in any order, each with what it belongs to.
        use: Takes items and their bytes; the read counts as under way until it is done.
        miss: Is told of items whose blob is not there, instead of an error.

    Raises:
        BlobNotFound: A blob is not there, and nobody wants to be told.
    """
    reads = asyncio.Semaphore(limits.count_max)

    async def read(run: Sequence[tuple[Extent, _Item]]) -> None:
        start = run[0][0].offset
        end = max(extent.end for extent, _ in run)
        async with reads:
            try:
                octets = await blobs.read(Extent(run[0][0].blob, start, end - start))
            except BlobNotFound:
                if miss is None:
                    raise
                for _, item in run:
                    miss(item)
                return
            await use(
                [(item, octets[extent.offset - start : extent.end - start]) for extent, item in run]
            )

    # All reads end before an error is told: none is left running, and it is not a group of them.
    runs = _runs(located, limits.bytes_max)
    for outcome in await asyncio.gather(*map(read, runs), return_exceptions=True):
        if outcome is not None:
            raise outcome


def _runs(
    located: Iterable[tuple[Extent, _Item]], bytes_max: int
) -> list[list[tuple[Extent, _Item]]]:
    runs: list[list[tuple[Extent, _Item]]] = []
    for each in sorted(located, key=lambda each: (each[0].blob, each[0].offset)):
        if runs and _continues(runs[-1][0][0], runs[-1][-1][0], each[0], bytes_max):
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs


def _continues(first: Extent, last: Extent, extent: Extent, bytes_max: int) -> bool:
    return (
        extent.blob == first.blob
        and extent.offset - last.end <= GAP_BYTES_MAX
        and extent.end - first.offset <= bytes_max
    )
