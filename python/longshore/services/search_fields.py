"""Search, with the attributes that only an instance's metadata has.

Most searches are answered by the index alone. A field that no row has is read from the metadata
segment of the newest instance below each result, as the model does.
"""

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from longshore.blobs.store import BlobReader
from longshore.errors import BlobNotFound, Unavailable
from longshore.index.database import Database
from longshore.index.search import Page, SearchLimits, SearchQuery, search
from longshore.index.search_rows import Element, Found, MetadataSegment
from longshore.services.bulkdata_uris import with_absolute_uris
from longshore.services.near_reads import ReadLimits, read_near

READ_BYTES_MAX: Final = 1024**2
_FIRST_BLOCK: Final = 0x10  # PS3.5 7.8.1

InstanceUrl = Callable[[str, str, str], str]
"""Gives the absolute URL of an instance by its study, series and SOP Instance UIDs."""


async def search_with_fields(
    database: Database,
    blobs: BlobReader,
    query: SearchQuery,
    *,
    limits: SearchLimits,
    url_of: InstanceUrl,
) -> Page:
    """Returns one page of results as `index.search`, each with all the wanted attributes it has.

    Raises:
        Unavailable: The database or the storage does not answer.
    """
    page = await search(database, query)
    if not query.metadata_fields:
        return page
    try:
        await _add_fields(blobs, page.results, query, limits, url_of)
    except BlobNotFound:
        # A pack went between the two reads, after a delete or a compaction.
        page = await search(database, query)
        await _add_fields(blobs, page.results, query, limits, url_of)
    return page


async def _add_fields(
    blobs: BlobReader,
    results: Sequence[Found],
    query: SearchQuery,
    limits: SearchLimits,
    url_of: InstanceUrl,
) -> None:
    wanted = _Wanted(query.metadata_fields, query.private_creators, url_of)

    async def add(some: Sequence[tuple[Found, bytes]]) -> None:
        # Some 100 KB of JSON for each instance: too long for the event loop.
        for (result, _), elements in zip(
            some, await asyncio.to_thread(wanted.of_all, some), strict=True
        ):
            result.attributes.update(elements)

    located = [(each.segment.extent, each) for each in results if each.segment is not None]
    await read_near(blobs, located, add, ReadLimits(limits.segment_reads_max, READ_BYTES_MAX))


class _Wanted:
    """What is wanted of an instance's metadata."""

    def __init__(
        self, tags: frozenset[int], private_creators: Mapping[int, str], url_of: InstanceUrl
    ) -> None:
        self._tags = frozenset(f"{tag:08X}" for tag in tags - private_creators.keys())
        self._private = [(f"{tag:08X}", creator) for tag, creator in private_creators.items()]
        self._url_of = url_of

    def of_all(self, some: Sequence[tuple[Found, bytes]]) -> list[dict[str, Element]]:
        """Returns the wanted attributes of each of n deflated segments."""
        return [
            self._of(result.segment, deflated)
            for result, deflated in some
            if result.segment is not None
        ]

    def _of(self, segment: MetadataSegment, deflated: bytes) -> dict[str, Element]:
        try:
            # The index knows the length, so no segment can inflate to more.
            plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated, segment.plain_length)
            metadata: dict[str, Element] = orjson.loads(
                with_absolute_uris(plain, self._url_of(*segment.instance_uids))
            )
        except (zlib.error, orjson.JSONDecodeError):
            # Not chained: the decoder's error quotes what it could not read.
            raise Unavailable("the metadata of an instance cannot be read") from None
        found = {tag: metadata[tag] for tag in self._tags & metadata.keys()}
        for tag, creator in self._private:
            found |= _private(metadata, tag, creator)
        return found


def _private(metadata: Mapping[str, Element], tag: str, creator: str) -> dict[str, Element]:
    """Returns a private element, in whatever block its creator has here, and the creator's own."""
    for block in _blocks(metadata, tag[:4], creator):
        in_block = f"{tag[:4]}{block:02X}{tag[6:]}"
        if in_block in metadata:
            reserved = f"{tag[:4]}00{block:02X}"
            return {reserved: metadata[reserved], in_block: metadata[in_block]}
    return {}


def _blocks(metadata: Mapping[str, Element], group: str, creator: str) -> Iterator[int]:
    for block in range(_FIRST_BLOCK, 0x100):
        values: list[Any] = metadata.get(f"{group}00{block:02X}", {}).get("Value") or [None]
        if values[0] == creator:
            yield block
