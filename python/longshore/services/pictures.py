"""Frames and instances as they are not stored: transcoded or rendered, in processes of their own.

Each is made once, however many ask for it, and kept while there is room (`services/kept.py`).
"""

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson

from longshore.blobs.store import BlobReader
from longshore.codecs.facts import PixelFacts, StoredPixels
from longshore.codecs.pool import CodecPool
from longshore.codecs.results import Result
from longshore.codecs.tasks import render, transcode_file, transcode_frame
from longshore.codecs.wish import LUT_TAGS, Wish
from longshore.errors import TooLarge, Undecodable
from longshore.extent import Extent
from longshore.index.locate import FrameSource, Located
from longshore.services.ahead import ahead
from longshore.services.kept import Kept
from longshore.services.made_results import plan_result, result_pieces
from longshore.services.retrieve import Binding, Plan, bare, bind
from longshore.services.retrieve_bulkdata import plan_bulkdata
from longshore.services.retrieve_frames import plan_frames
from longshore.services.retrieve_metadata import INLINE_BYTES_MAX, read_stored_metadata
from longshore.services.retrieve_pieces import Piece, read_pieces

TRANSCODED_BYTES_MAX = 100 * 1024**2
"""Of an instance that is transcoded as a whole, as stored; of larger ones only their frames."""
FRAMES_BYTES_MAX = 128 * 1024**2
"""Of the frames that are rendered in one picture, as stored."""

_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_VR_BEFORE_BYTES = 8
"""How far before its value an element of a long VR has its VR (PS3.5 7.1.2)."""
_LUT_BYTES_MAX = 32 * 1024**2
"""Of all lookup tables, overlays and profiles of an instance."""
_PLACE = re.compile(r"bulkdata/[^?]*\?offset=([0-9]{1,19})&length=([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class Pictures:
    """What makes pictures: the storage, the processes, and what was made.

    Attributes:
        kept: Frames, files and pictures.
        facts: By instance key, so that the frames of one instance need its metadata once.
    """

    blobs: BlobReader
    codecs: CodecPool
    kept: Kept[Result]
    facts: Kept[PixelFacts]

    async def transcoded(self, source: FrameSource, number: int, target: str) -> Result:
        """Returns a frame in another transfer syntax.

        Args:
            source: With one frame, the one of that number.
            target: One of `longshore.codecs.facts.TARGETS`.

        Raises:
            Undecodable: It cannot be decoded, or not be encoded so.
            Unavailable: The storage fails, or too many wait.
        """
        located = source.located

        async def make() -> Result:
            async with self.codecs.turn():
                facts = await self._facts(source)
                [octets] = await self._frames(source)
                return await self.codecs.run(transcode_frame, facts, octets, target)

        return await self.kept.get((located.instance_key, "frame", number, target), make)

    async def transcoded_file(self, located: Located, target: str) -> Result:
        """Returns an instance in another transfer syntax, as a Part 10 file.

        Raises:
            Undecodable: Likewise, or it is longer than `TRANSCODED_BYTES_MAX`.
        """
        if located.payload.length > TRANSCODED_BYTES_MAX:
            raise Undecodable(
                "Requested DICOM instance size is above the supported limit of"
                f" {TRANSCODED_BYTES_MAX} bytes. The entire instance can be retrieved with the"
                " original transfer syntax by specifying 'transfer-syntax=*' in the Accept header."
            )

        async def make() -> Result:
            async with self.codecs.turn():
                content = await self.blobs.read(located.payload)
                return await self.codecs.run(transcode_file, content, target)

        return await self.kept.get((located.instance_key, "file", target), make)

    async def rendered(self, source: FrameSource, numbers: Sequence[int], wish: Wish) -> Result:
        """Returns a picture of n frames.

        Args:
            source: With these frames.

        Raises:
            TooLarge: The frames are longer than `FRAMES_BYTES_MAX`.
            Undecodable: They cannot be decoded.
            Unavailable: The storage fails, or too many wait.
        """
        located = source.located

        async def make() -> Result:
            async with self.codecs.turn():
                stored = await self._stored(source, with_luts=True)
                frames = await self._frames(source)
                return await self.codecs.run(render, stored, numbers, wish, *frames)

        return await self.kept.get((located.instance_key, "picture", *numbers, wish), make)

    async def plan_frames(
        self, source: FrameSource, numbers: Sequence[int], target: str, binding: Binding
    ) -> Plan:
        """Plans a body of n frames in another transfer syntax, the next ones made meanwhile.

        One alone is made now, so that its length is known.
        """
        if len(numbers) == 1:
            return plan_result(await self.transcoded(source, numbers[0], target), binding)
        singles = zip(single_frames(source), numbers, strict=True)
        works = (partial(self.transcoded, each, number, target) for each, number in singles)

        async def pieces() -> AsyncGenerator[list[Piece], None]:
            at = 0
            async with aclosing(ahead(works, count=self.codecs.process_count + 1)) as frames:
                async for frame in frames:
                    async with aclosing(result_pieces(at, frame)) as groups:
                        async for group in groups:
                            yield group
                    at += 1

        return Plan(None, lambda: bind(pieces(), binding))

    def plan_files(self, located: Sequence[Located], target: str, binding: Binding) -> Plan:
        """Plans a body of n instances in another transfer syntax, made one after the other."""

        async def pieces() -> AsyncGenerator[list[Piece], None]:
            for at, each in enumerate(located):
                if each.transfer_syntax_uid == target:
                    octets = read_pieces(self.blobs, [each.payload])
                else:
                    octets = result_pieces(at, await self.transcoded_file(each, target))
                async with aclosing(octets) as groups:
                    async for group in groups:
                        yield [Piece(at, piece.octets) for piece in group]

        return Plan(None, lambda: bind(pieces(), binding))

    async def _facts(self, source: FrameSource) -> PixelFacts:
        async def make() -> PixelFacts:
            stored = await self._stored(source)
            if len(stored.metadata) <= INLINE_BYTES_MAX:
                return stored.facts()
            # An instance of many frames may have megabytes of metadata.
            return await asyncio.to_thread(stored.facts)

        return await self.facts.get(source.located.instance_key, make)

    async def _stored(self, source: FrameSource, *, with_luts: bool = False) -> StoredPixels:
        located = source.located
        metadata = await read_stored_metadata(self.blobs, located)
        if with_luts and located.has_bulkdata_uri:
            metadata = await self._with_luts(located, metadata)
        is_in_words = False
        if located.transfer_syntax_uid == _BIG_ENDIAN and source.is_native:
            offset = located.payload.offset + source.pixel_offset - _VR_BEFORE_BYTES
            is_in_words = await self.blobs.read(Extent(located.payload.blob, offset, 2)) == b"OW"
        return StoredPixels(metadata, located.transfer_syntax_uid, is_in_words)

    async def _with_luts(self, located: Located, metadata: bytes) -> bytes:
        """Puts the values that rendering reads into the metadata that refers to them."""
        dataset = await asyncio.to_thread(orjson.loads, metadata)
        wanted = {tag: dataset[tag] for tag in LUT_TAGS if tag in dataset}
        left = _LUT_BYTES_MAX
        for element, offset, length in list(_referred(wanted)):
            left -= length
            if left < 0:
                raise Undecodable(
                    "The instance's lookup tables and overlays are too long to be applied."
                )
            plan = plan_bulkdata(self.blobs, located, (offset, length), bare())
            value = b"".join([chunk async for chunk in plan.open()])
            if located.transfer_syntax_uid == _BIG_ENDIAN and element["vr"] == "OW":
                value = _swapped(value)
            del element["BulkDataURI"]
            element["InlineBinary"] = base64.b64encode(value).decode()
        return await asyncio.to_thread(orjson.dumps, dataset)

    async def _frames(self, source: FrameSource) -> list[bytes]:
        frames: list[bytes] = []
        left = FRAMES_BYTES_MAX
        for each in single_frames(source):
            plan = await plan_frames(self.blobs, each, bare())
            pieces: list[bytes] = []
            async for chunk in plan.open():
                left -= len(chunk)
                if left < 0:
                    raise TooLarge(
                        f"The frames are longer than {FRAMES_BYTES_MAX // 1024**2} MiB together;"
                        " ask for fewer."
                    )
                pieces.append(chunk)
            frames.append(b"".join(pieces))
        return frames


def _swapped(words: bytes) -> bytes:
    """Returns words of two bytes in the other byte order."""
    swapped = bytearray(len(words) // 2 * 2)
    swapped[::2], swapped[1::2] = words[1::2], words[: len(swapped) : 2]
    return bytes(swapped)


def single_frames(source: FrameSource) -> Iterator[FrameSource]:
    """Yields the source of each frame by itself."""
    for index in source.frame_indices:
        yield replace(source, frame_indices=[index])
    for extent in source.extents:
        yield replace(source, extents=[extent])


def _referred(dataset: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Yields the elements that only refer to their values, with offset and length in the file."""
    for element in dataset.values():
        if place := _PLACE.fullmatch(element.get("BulkDataURI", "")):
            yield element, int(place[1]), int(place[2])
        if element.get("vr") == "SQ":
            for item in element.get("Value") or ():
                yield from _referred(item or {})
