"""Retrieve metadata, PS3.18 10.4.1.1.2: the DICOM JSON of many instances, from packs.

Served as it lies where it can be: deflated segments become one gzip member without being inflated.
Inflated for user agents without gzip; inflated, completed and deflated again where an instance's
metadata refers to bulkdata, since those URLs depend on the one that was asked.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from longshore._native import GZIP_SEPARATOR, gzip_frame
from longshore.blobs.store import BlobReader
from longshore.errors import Unavailable
from longshore.index.locate import Located
from longshore.services.bulkdata_uris import with_absolute_uris
from longshore.services.retrieve import Binding, Plan, plan_extents
from longshore.services.retrieve_pieces import read_pieces

_READ_BYTES = 128 * 1024  # deflated; inflates to one or two MiB, the most that is held
_DEFLATE_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is needed to serve n instances' metadata.

    Attributes:
        located: n instances, at least one, in the order in which they are served.
        url_of: Gives an instance's absolute URL, under which its bulkdata is found.
    """

    blobs: BlobReader
    located: Sequence[Located]
    url_of: Callable[[Located], str]


def plan_metadata(metadata: Metadata, *, is_gzip: bool) -> Plan:
    """Plans a JSON array of n objects, as one gzip member or plain."""
    located = metadata.located
    is_rewritten = any(each.has_bulkdata_uri for each in located)
    if is_rewritten:
        return Plan(None, lambda: _rewritten_gzip(metadata) if is_gzip else _plain(metadata))
    if not is_gzip:
        length = len(located) + 1 + sum(each.segment_plain_length for each in located)
        return Plan(length, lambda: _plain(metadata))
    head, tail = gzip_frame([(each.segment_crc32, each.segment_plain_length) for each in located])
    heads = [head, *[GZIP_SEPARATOR] * (len(located) - 1)]
    return plan_extents(metadata.blobs, [each.segment for each in located], Binding(heads, tail))


async def read_metadata(metadata: Metadata) -> list[bytes]:
    """Returns n instances' JSON objects, bulkdata URLs made absolute; for few instances."""
    plains: list[bytes] = []
    async with aclosing(_segment_groups(metadata)) as groups:
        async for group in groups:
            plains += await asyncio.to_thread(_inflate_all, group, metadata.url_of)
    return plains


async def read_stored_metadata(blobs: BlobReader, located: Located) -> bytes:
    """Returns one instance's JSON object as it was stored.

    Raises:
        Unavailable: The pack is damaged.
    """
    return await asyncio.to_thread(_inflate, located, await blobs.read(located.segment))


async def _plain(metadata: Metadata) -> AsyncGenerator[bytes, None]:
    between = b"["
    async with aclosing(_segment_groups(metadata)) as groups:
        async for group in groups:
            plains = await asyncio.to_thread(_inflate_all, group, metadata.url_of)
            yield between + b",".join(plains)
            between = b","
    yield b"]"


async def _rewritten_gzip(metadata: Metadata) -> AsyncGenerator[bytes, None]:
    sums: list[tuple[int, int]] = []
    between, _ = gzip_frame([(0, 0)])  # the head is the same for all
    async with aclosing(_segment_groups(metadata)) as groups:
        async for group in groups:
            done = await asyncio.to_thread(_rewrite_all, group, metadata.url_of)
            sums += [each_sum for _, each_sum in done]
            yield between + GZIP_SEPARATOR.join(deflated for deflated, _ in done)
            between = GZIP_SEPARATOR
    yield gzip_frame(sums)[1]


_Group = list[tuple[Located, bytes]]


async def _segment_groups(metadata: Metadata) -> AsyncGenerator[_Group, None]:
    """Yields whole segments, deflated, as many as each read completes."""
    located = metadata.located
    extents = [each.segment for each in located]
    held = bytearray()
    async with aclosing(read_pieces(metadata.blobs, extents, chunk_bytes=_READ_BYTES)) as pieces:
        async for chunk in pieces:
            group: _Group = []
            for index, octets in chunk:
                held += octets
                if len(held) == extents[index].length:
                    group.append((located[index], bytes(held)))
                    held.clear()
            if group:
                yield group


def _inflate_all(group: _Group, url_of: Callable[[Located], str]) -> list[bytes]:
    return [_completed(located, _inflate(located, segment), url_of) for located, segment in group]


def _rewrite_all(
    group: _Group, url_of: Callable[[Located], str]
) -> list[tuple[bytes, tuple[int, int]]]:
    """Returns each segment with its CRC-32 and plain length; untouched without bulkdata."""
    done: list[tuple[bytes, tuple[int, int]]] = []
    for located, segment in group:
        if not located.has_bulkdata_uri:
            done.append((segment, (located.segment_crc32, located.segment_plain_length)))
            continue
        plain = _completed(located, _inflate(located, segment), url_of)
        deflater = zlib.compressobj(_DEFLATE_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = deflater.compress(plain) + deflater.flush(zlib.Z_FULL_FLUSH)
        done.append((deflated, (zlib.crc32(plain), len(plain))))
    return done


def _completed(located: Located, plain: bytes, url_of: Callable[[Located], str]) -> bytes:
    """Returns the JSON with absolute bulkdata URLs."""
    if not located.has_bulkdata_uri:
        return plain
    return with_absolute_uris(plain, url_of(located))


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
