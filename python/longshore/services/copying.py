"""Copies the live entries of packs to a new pack, which takes their place.

In this order, so that whatever stops in between leaves a correct store: a note of what is copied
from where (`moved`), the new pack, the rows. A new pack that got no row is swept.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from longshore._native import PackedInstance, PackEntry, PackFormatError, PackPlan, plan_pack
from longshore.blobs.store import BlobStore
from longshore.errors import BlobNotFound
from longshore.extent import pack_blob
from longshore.index.database import Database
from longshore.index.delete import DeadEntry
from longshore.index.moves import Move, Place, move_entries
from longshore.index.packs import LiveEntry, live_entries
from longshore.services.moved import Entry, drop_moved, record_moved
from longshore.services.packs import moved_pack_id, read_directory, record_dead
from longshore.services.retrieve import Binding, bind
from longshore.services.retrieve_pieces import READS_MAX, Piece, read_pieces


class Pack(Protocol):
    """A pack that the index names."""

    @property
    def pack_id(self) -> str:
        """Its id."""
        ...

    @property
    def length(self) -> int:
        """Bytes of the whole pack."""
        ...


@dataclass(frozen=True, slots=True)
class CopyRules:
    """How packs are copied.

    Attributes:
        bytes_per_s_max: Payload bytes that are copied in a second: requests come first.
        deleted_retention_s: As in `ReclaimRules`.
        sweep_grace_s: How long an old pack stays for readers that have located it.
    """

    bytes_per_s_max: int
    deleted_retention_s: float
    sweep_grace_s: float


@dataclass(frozen=True, slots=True)
class Copied:
    """What one new pack took over."""

    pack_count: int = 0
    instance_count: int = 0
    byte_count: int = 0


class Copier:
    """Copies packs, one new pack after the other."""

    def __init__(self, database: Database, blobs: BlobStore, rules: CopyRules) -> None:
        self._database = database
        self._blobs = blobs
        self._rules = rules
        self._pace = _Pace(rules.bytes_per_s_max)
        self.touched: set[str] = set()
        """The packs that were copied, and those they were copied to, whether they came to be."""

    async def copy(self, packs: Sequence[Pack]) -> Copied:
        """Puts one pack in the place of n, its entries by study, series and instance number.

        All segments are in memory meanwhile, and two chunks of the payloads. Every byte is compared
        with its CRC-32, so that a fault of reading is not made to last.

        Raises:
            PackFormatError: An old pack is damaged.
            Conflict: The entries were moved by someone else, or the new pack was swept.
            BlobNotFound, Unavailable: As for blobs and the index.
        """
        live = await live_entries(self._database, [pack.pack_id for pack in packs])
        if not live:
            return Copied()
        crc32s = await self._crc32s(packs, live)
        segments = await self._segments(live)
        plan = await asyncio.to_thread(_plan, live, crc32s, segments)
        del segments
        new_pack_id = moved_pack_id([pack.pack_id for pack in packs])
        copies = [
            (Entry(found.pack_id, found.payload.offset), offset)
            for found, offset in zip(live, plan.payload_offsets, strict=True)
        ]
        self.touched |= {new_pack_id, *(pack.pack_id for pack in packs)}
        await record_moved(self._blobs, new_pack_id, copies)
        await self._write(new_pack_id, plan, live, crc32s)
        moved = await self._move(packs, new_pack_id, plan, live)
        return Copied(len(packs), moved, plan.length)

    async def _crc32s(self, packs: Sequence[Pack], live: Sequence[LiveEntry]) -> list[int]:
        """Returns the CRC-32 of each live payload, as its pack's directory has it."""
        known: dict[Entry, PackedInstance] = {}
        for begin in range(0, len(packs), READS_MAX):
            some = packs[begin : begin + READS_MAX]
            directories = await asyncio.gather(
                *(read_directory(self._blobs, pack.pack_id, pack.length) for pack in some)
            )
            for pack, directory in zip(some, directories, strict=True):
                known |= {Entry(pack.pack_id, each.payload_offset): each for each in directory}
        crc32s: list[int] = []
        for found in live:
            packed = known.get(Entry(found.pack_id, found.payload.offset))
            if packed is None or packed.payload_length != found.payload.length:
                raise _damaged(found)
            crc32s.append(packed.crc32)
        return crc32s

    async def _segments(self, live: Sequence[LiveEntry]) -> list[bytearray]:
        segments = [bytearray() for _ in live]
        extents = [found.segment for found in live]
        async with aclosing(read_pieces(self._blobs, extents)) as groups:
            async for group in groups:
                for index, octets in group:
                    segments[index] += octets
        return segments

    async def _write(
        self, pack_id: str, plan: PackPlan, live: Sequence[LiveEntry], crc32s: Sequence[int]
    ) -> None:
        head, *headers = plan.headers
        writer = await self._blobs.open_writer(pack_blob(pack_id), head_length=len(head))
        try:
            pieces = _checked(
                read_pieces(self._blobs, [each.payload for each in live]), live, crc32s
            )
            async with aclosing(bind(pieces, Binding([b"", *headers], b""))) as chunks:
                async for chunk in chunks:
                    await writer.write([chunk])
                    await self._pace.spend(len(chunk))
        except (PackFormatError, BlobNotFound):
            await drop_moved(self._blobs, pack_id)
            raise
        else:
            await writer.commit(head=head, tail=[plan.tail])
        finally:
            # Does nothing after the commit.
            await writer.abort()

    async def _move(
        self, packs: Sequence[Pack], new_pack_id: str, plan: PackPlan, live: Sequence[LiveEntry]
    ) -> int:
        """Points the rows to the new pack; returns how many. Deleted entries are noted first."""
        rules = self._rules
        places = {
            found.instance_key: Place(found.instance_key, payload_offset, segment_offset)
            for found, payload_offset, segment_offset in zip(
                live, plan.payload_offsets, plan.segment_offsets, strict=True
            )
        }
        while places:
            move = Move(
                old_pack_ids=[pack.pack_id for pack in packs],
                new_pack_id=new_pack_id,
                length=plan.length,
                entry_count=len(live),
                dead_at=datetime.now(UTC)
                + timedelta(seconds=rules.sweep_grace_s - rules.deleted_retention_s),
            )
            gone = await move_entries(self._database, move, list(places.values()))
            if not gone:
                break
            dead = [DeadEntry(new_pack_id, places.pop(key).payload_offset) for key in sorted(gone)]
            await record_dead(self._blobs, dead)
        return len(places)


def _plan(
    live: Sequence[LiveEntry], crc32s: Sequence[int], segments: Sequence[bytearray]
) -> PackPlan:
    return plan_pack(
        list(_entries(live, crc32s, segments)),
        partition_names=[found.partition_name for found in live],
    )


def _entries(
    live: Sequence[LiveEntry], crc32s: Sequence[int], segments: Sequence[bytearray]
) -> Iterator[PackEntry]:
    for found, crc32, segment in zip(live, crc32s, segments, strict=True):
        try:
            plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(
                segment, found.segment_plain_length + 1
            )
        except zlib.error as error:
            raise _damaged(found) from error
        if zlib.crc32(plain) != found.segment_crc32:
            raise _damaged(found)
        yield PackEntry(
            study_uid=found.study_uid,
            series_uid=found.series_uid,
            sop_instance_uid=found.sop_instance_uid,
            length=found.payload.length,
            crc32=crc32,
            segment=bytes(segment),
            segment_crc32=found.segment_crc32,
            segment_plain_length=found.segment_plain_length,
        )


async def _checked(
    groups: AsyncGenerator[list[Piece], None], live: Sequence[LiveEntry], crc32s: Sequence[int]
) -> AsyncGenerator[list[Piece], None]:
    """Passes payloads on, and compares each with its CRC-32 when it is complete."""
    sums: dict[int, int] = {}
    lengths: dict[int, int] = {}
    async with aclosing(groups):
        async for group in groups:
            await asyncio.to_thread(_add, sums, lengths, group)
            for index in [each for each in lengths if lengths[each] == live[each].payload.length]:
                del lengths[index]
                if sums.pop(index) != crc32s[index]:
                    raise _damaged(live[index])
            yield group


def _add(sums: dict[int, int], lengths: dict[int, int], group: Sequence[Piece]) -> None:
    for index, octets in group:
        sums[index] = zlib.crc32(octets, sums.get(index, 0))
        lengths[index] = lengths.get(index, 0) + len(octets)


def _damaged(found: LiveEntry) -> PackFormatError:
    return PackFormatError(f"{found.sop_instance_uid} in pack {found.pack_id} is damaged")


class _Pace:
    """Keeps a loop from going through more than so many bytes in a second."""

    def __init__(self, bytes_per_s_max: int) -> None:
        self._bytes_per_s_max = bytes_per_s_max
        self._free_at = 0.0

    async def spend(self, byte_count: int) -> None:
        """Counts bytes that were copied; waits until they are within the rate."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + byte_count / self._bytes_per_s_max
        await asyncio.sleep(self._free_at - now)
