"""Retrieve as a ZIP file: a study, a series or an instance in folders that a DICOM File-set allows.

Names are File IDs: components of at most eight capitals and digits (PS3.10 8.2, 8.5). A DICOMDIR is
not made. Memory: one chunk, and some hundred bytes an instance for the ZIP's directory.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from longshore.blobs.store import BlobReader
from longshore.index.locate import Located
from longshore.services.retrieve import Plan, in_pack_order
from longshore.services.retrieve_pieces import read_pieces
from longshore.services.zip_format import Entry, directory, placed

_INLINE_BYTES_MAX = 128 * 1024  # a CRC-32 of more takes long enough to be worth a thread


def plan_zip(blobs: BlobReader, located: Sequence[Located]) -> Plan:
    """Plans the ZIP file of n instances, in the index's order: they are numbered by it."""
    names = {each.instance_key: name for each, name in zip(located, file_ids(located), strict=True)}
    ordered = in_pack_order(located)
    entries = placed([(names[each.instance_key], each.payload.length) for each in ordered])
    length = entries[-1].end + len(directory(entries, [0] * len(entries)))
    return Plan(length, lambda: _chunks(blobs, ordered, entries))


def file_ids(located: Sequence[Located]) -> list[bytes]:
    """Returns n paths, `IMAGES/S0000001/I0000001` and so on, numbered by series."""
    numbers: dict[str, int] = {}
    counts: dict[str, int] = {}
    paths: list[bytes] = []
    for each in located:
        series = numbers.setdefault(each.series_uid, len(numbers) + 1)
        counts[each.series_uid] = counts.get(each.series_uid, 0) + 1
        paths.append(f"IMAGES/S{series:07}/I{counts[each.series_uid]:07}".encode("ascii"))
    return paths


async def _chunks(
    blobs: BlobReader, located: Sequence[Located], entries: Sequence[Entry]
) -> AsyncGenerator[bytes, None]:
    crc32s: list[int] = []

    def begun(until: int) -> list[bytes | memoryview]:
        """Ends the entry that is open, and begins all up to `until`, which stays open."""
        records: list[bytes | memoryview] = []
        while len(crc32s) <= until:
            if crc32s:
                records.append(entries[len(crc32s) - 1].descriptor(crc32s[-1]))
            if len(crc32s) == len(entries):
                break
            records.append(entries[len(crc32s)].header())
            crc32s.append(0)
        return records

    extents = [each.payload for each in located]
    async with aclosing(read_pieces(blobs, extents)) as groups:
        async for group in groups:
            run: list[bytes | memoryview] = []
            for index, octets in group:
                run += begun(index)
                if len(octets) > _INLINE_BYTES_MAX:
                    crc32s[-1] = await asyncio.to_thread(zlib.crc32, octets, crc32s[-1])
                else:
                    crc32s[-1] = zlib.crc32(octets, crc32s[-1])
                run.append(octets)
            yield b"".join(run)
    yield b"".join(begun(len(entries)))
    yield await asyncio.to_thread(directory, entries, crc32s)
