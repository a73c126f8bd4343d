"""Search, with the attributes that only an instance's metadata has.

Most searches are answered by the index alone. A field that no row has is read from the metadata
segment of the newest instance below each result, as the model does.
"""

import asyncio
import zlib
from collections.abc import Sequence

import orjson

from longshore.blobs.store import BlobStore
from longshore.errors import BlobNotFound, Unavailable
from longshore.extent import Extent
from longshore.index.database import Database
from longshore.index.search import Page, SearchLimits, SearchQuery, search
from longshore.index.search_rows import Element, Found, MetadataSegment

_RUN_GAP_BYTES_MAX = 16 * 1024  # reading over less costs less than another request to storage
_RUN_BYTES_MAX = 1024**2


async def search_with_fields(
    database: Database, blobs: BlobStore, query: SearchQuery, *, limits: SearchLimits
) -> Page:
    """Returns one page of results as `index.search`, each with all the wanted attributes it has.

    Raises:
        Unavailable: The database or the storage does not answer.
    """
    page = await search(database, query)
    if not query.metadata_fields:
        return page
    try:
        await _add_fields(blobs, page.results, query, limits)
    except BlobNotFound:
        # A pack went between the two reads, after a delete or a compaction.
        page = await search(database, query)
        await _add_fields(blobs, page.results, query, limits)
    return page


async def _add_fields(
    blobs: BlobStore, results: Sequence[Found], query: SearchQuery, limits: SearchLimits
) -> None:
    wanted = frozenset(f"{tag:08X}" for tag in query.metadata_fields)
    reads = asyncio.Semaphore(limits.segment_reads_max)

    async def add(run: Sequence[tuple[MetadataSegment, Found]]) -> None:
        extents = [segment.extent for segment, _ in run]
        start = extents[0].offset
        end = max(extent.end for extent in extents)
        async with reads:
            deflated = await blobs.read(Extent(extents[0].blob, start, end - start))
            # Some 100 KB of JSON for each instance: too long for the event loop.
            fields = await asyncio.to_thread(_fields_of_run, deflated, start, run, wanted)
        for (_, result), elements in zip(run, fields, strict=True):
            result.attributes.update(elements)

    # All reads end before an error is told: none is left running, and it is not a group of them.
    for outcome in await asyncio.gather(*map(add, _runs(results)), return_exceptions=True):
        if outcome is not None:
            raise outcome


def _runs(results: Sequence[Found]) -> list[list[tuple[MetadataSegment, Found]]]:
    """Groups results whose segments lie close together in one pack: one read for each group."""
    located = sorted(
        ((result.segment, result) for result in results if result.segment is not None),
        key=lambda each: (each[0].extent.blob, each[0].extent.offset),
    )
    runs: list[list[tuple[MetadataSegment, Found]]] = []
    for each in located:
        extent = each[0].extent
        if runs and _continues(runs[-1], extent):
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs


def _continues(run: Sequence[tuple[MetadataSegment, Found]], extent: Extent) -> bool:
    first, last = run[0][0].extent, run[-1][0].extent
    return (
        extent.blob == first.blob
        and extent.offset - last.end <= _RUN_GAP_BYTES_MAX
        and extent.end - first.offset <= _RUN_BYTES_MAX
    )


def _fields_of_run(
    deflated: bytes,
    start: int,
    run: Sequence[tuple[MetadataSegment, Found]],
    wanted: frozenset[str],
) -> list[dict[str, Element]]:
    """Returns the wanted attributes of each of n segments.

    Args:
        deflated: Bytes of the pack from `start` to the end of the last segment.
        start: Offset in the pack, bytes.
        run: The n segments, with their results.
        wanted: Tags, each 8 upper-case hexadecimal digits.
    """
    return [
        _fields(
            deflated[segment.extent.offset - start : segment.extent.end - start], segment, wanted
        )
        for segment, _ in run
    ]


def _fields(
    deflated: bytes, segment: MetadataSegment, wanted: frozenset[str]
) -> dict[str, Element]:
    try:
        # The index knows the length, so no segment can inflate to more.
        plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated, segment.plain_length)
        metadata: dict[str, Element] = orjson.loads(plain)
    except (zlib.error, orjson.JSONDecodeError):
        # Not chained: the decoder's error quotes what it could not read.
        raise Unavailable("the metadata of an instance cannot be read") from None
    return {tag: metadata[tag] for tag in wanted & metadata.keys()}
