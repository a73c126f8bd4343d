"""Retrieve metadata, PS3.18 10.4.1.1.2: the DICOM JSON of many instances, from packs.

Served as it lies where it can be: deflated segments become one gzip member without being inflated.
Inflated for user agents without gzip; inflated, completed and deflated again where an instance's
metadata refers to bulkdata, since those URLs depend on the one that was asked.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from longshore._native import GZIP_SEPARATOR, gzip_frame
from longshore.blobs.store import BlobReader
from longshore.errors import Unavailable
from longshore.index.locate import Located
from longshore.services.bulkdata_uris import with_absolute_uris
from longshore.services.metadata_fields import only_fields
from longshore.services.retrieve import Binding, Plan, plan_extents
from longshore.services.retrieve_pieces import read_pieces

_READ_BYTES = 128 * 1024  # deflated; inflates to one or two MiB, the most that is held
_PLAIN_BYTES_MAX = 1024 * 1024  # inflated together, unless one instance alone is longer
_DEFLATE_LEVEL = 6
INLINE_BYTES_MAX = 64 * 1024
"""Inflating and reading so much takes less than handing it to a thread."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is needed to serve n instances' metadata.

    Attributes:
        located: n instances, at least one, in the order in which they are served.
        url_of: Gives an instance's absolute URL, under which its bulkdata is found.
        fields: Tags of the attributes that are wanted, see `only_fields`; None: all.
    """

    blobs: BlobReader
    located: Sequence[Located]
    url_of: Callable[[Located], str]
    fields: frozenset[str] | None = None

    def is_rewritten(self, located: Located) -> bool:
        """Tells whether an instance's metadata is not served as it lies."""
        return located.has_bulkdata_uri or self.fields is not None


def plan_metadata(metadata: Metadata, *, is_gzip: bool) -> Plan:
    """Plans a JSON array of n objects, as one gzip member or plain."""
    located = metadata.located
    if any(map(metadata.is_rewritten, located)):
        return Plan(None, lambda: _rewritten_gzip(metadata) if is_gzip else _plain(metadata))
    if not is_gzip:
        length = len(located) + 1 + sum(each.segment_plain_length for each in located)
        return Plan(length, lambda: _plain(metadata))
    head, tail = gzip_frame([(each.segment_crc32, each.segment_plain_length) for each in located])
    heads = [head, *[GZIP_SEPARATOR] * (len(located) - 1)]
    plan = plan_extents(metadata.blobs, [each.segment for each in located], Binding(heads, tail))
    # No ranges: packs may be merged between two requests, which changes the order alone.
    return Plan(plan.length, plan.open)


async def read_metadata(metadata: Metadata) -> list[bytes]:
    """Returns n instances' JSON objects, bulkdata URLs made absolute; for few instances."""
    plains: list[bytes] = []
    async with aclosing(inflated_groups(metadata)) as groups:
        async for group in groups:
            plains += group
    return plains


async def inflated_groups(metadata: Metadata) -> AsyncGenerator[list[bytes], None]:
    """Yields n instances' JSON objects in order, as they are served, about a MiB at a time."""
    async with aclosing(_segment_groups(metadata.blobs, metadata.located)) as groups:
        async for group in groups:
            for portion in _portions(group):
                yield await asyncio.to_thread(_inflate_all, portion, metadata)


def _portions(group: "_Group") -> Iterator["_Group"]:
    """Yields an instance or more at a time: what is very alike inflates a hundredfold."""
    portion: _Group = []
    plain_bytes = 0
    for each in group:
        if portion and plain_bytes + each[0].segment_plain_length > _PLAIN_BYTES_MAX:
            yield portion
            portion, plain_bytes = [], 0
        portion.append(each)
        plain_bytes += each[0].segment_plain_length
    yield portion


async def stored_groups(
    blobs: BlobReader, located: Sequence[Located]
) -> AsyncGenerator[list[tuple[Located, bytes]], None]:
    """Yields n instances, each with its JSON object as it was stored, about a MiB at a time."""

    def inflated(portion: _Group) -> _Group:
        return [(each, _inflate(each, segment)) for each, segment in portion]

    async with aclosing(_segment_groups(blobs, located)) as groups:
        async for group in groups:
            for portion in _portions(group):
                yield await asyncio.to_thread(inflated, portion)


async def read_stored_metadata(blobs: BlobReader, located: Located) -> bytes:
    """Returns one instance's JSON object as it was stored.

    Raises:
        Unavailable: The pack is damaged.
    """
    segment = await blobs.read(located.segment)
    if located.segment_plain_length <= INLINE_BYTES_MAX:
        return _inflate(located, segment)
    return await asyncio.to_thread(_inflate, located, segment)


async def _plain(metadata: Metadata) -> AsyncGenerator[bytes, None]:
    between = b"["
    async with aclosing(inflated_groups(metadata)) as groups:
        async for plains in groups:
            yield between + b",".join(plains)
            between = b","
    yield b"]"


async def _rewritten_gzip(metadata: Metadata) -> AsyncGenerator[bytes, None]:
    sums: list[tuple[int, int]] = []
    between, _ = gzip_frame([(0, 0)])  # the head is the same for all
    async with aclosing(_segment_groups(metadata.blobs, metadata.located)) as groups:
        async for group in groups:
            done = await asyncio.to_thread(_rewrite_all, group, metadata)
            sums += [each_sum for _, each_sum in done]
            yield between + GZIP_SEPARATOR.join(deflated for deflated, _ in done)
            between = GZIP_SEPARATOR
    yield gzip_frame(sums)[1]


_Group = list[tuple[Located, bytes]]


async def _segment_groups(
    blobs: BlobReader, located: Sequence[Located]
) -> AsyncGenerator[_Group, None]:
    """Yields whole segments, deflated, as many as each read completes."""
    extents = [each.segment for each in located]
    held = bytearray()
    async with aclosing(read_pieces(blobs, extents, chunk_bytes=_READ_BYTES)) as pieces:
        async for chunk in pieces:
            group: _Group = []
            for index, octets in chunk:
                held += octets
                if len(held) == extents[index].length:
                    group.append((located[index], bytes(held)))
                    held.clear()
            if group:
                yield group


def _inflate_all(group: _Group, metadata: Metadata) -> list[bytes]:
    return [_completed(located, _inflate(located, segment), metadata) for located, segment in group]


def _rewrite_all(group: _Group, metadata: Metadata) -> list[tuple[bytes, tuple[int, int]]]:
    """Returns each segment with its CRC-32 and plain length; untouched where it can be."""
    done: list[tuple[bytes, tuple[int, int]]] = []
    for located, segment in group:
        if not metadata.is_rewritten(located):
            done.append((segment, (located.segment_crc32, located.segment_plain_length)))
            continue
        plain = _completed(located, _inflate(located, segment), metadata)
        deflater = zlib.compressobj(_DEFLATE_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = deflater.compress(plain) + deflater.flush(zlib.Z_FULL_FLUSH)
        done.append((deflated, (zlib.crc32(plain), len(plain))))
    return done


def _completed(located: Located, plain: bytes, metadata: Metadata) -> bytes:
    """Returns the JSON with absolute bulkdata URLs, and with the fields that are wanted."""
    if metadata.fields is not None:
        plain = only_fields(plain, metadata.fields)
    if not located.has_bulkdata_uri:
        return plain
    return with_absolute_uris(plain, metadata.url_of(located))


def _inflate(located: Located, segment: bytes) -> bytes:
    """Inflates a segment, no further than the index says it goes.

    Raises:
        Unavailable: The bytes are not those that the index knows.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(segment, located.segment_plain_length + 1)
    except zlib.error:
        plain = b""
    if len(plain) != located.segment_plain_length or zlib.crc32(plain) != located.segment_crc32:
        raise Unavailable(f"The metadata of instance {located.sop_instance_uid} is damaged.")
    return plain
