"""What a codestream says of itself, read before a codec is let at it.

A codec that is told other rows or columns than its codestream has may write where it must not.
"""

from collections.abc import Iterator
from typing import NamedTuple

from longshore.codecs.facts import PixelFacts
from longshore.errors import Undecodable

_JPEG_START = b"\xff\xd8"
_JPEG_2000_START = b"\xff\x4f\xff\x51"
_JPEG_LS_FRAME = 0xF7
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # tables and an extension among the markers of frames
_STANDING_ALONE = (0x01, *range(0xD0, 0xD9))
_SCAN = 0xDA


class Size(NamedTuple):
    """Rows, columns and samples of a codestream, and the bits of a sample."""

    rows: int
    columns: int
    samples: int
    bits: int


def check(facts: PixelFacts, octets: bytes) -> None:
    """Does nothing if a compressed frame is of the size that its instance says.

    RLE has no such header: its decoder knows how much must come out.

    Raises:
        Undecodable: It is not, or says nothing.
    """
    if facts.is_native or facts.transfer_syntax_uid == "1.2.840.10008.1.2.5":
        return
    size = size_of(octets)
    if size is None:
        raise Undecodable("The frame is no codestream of its transfer syntax.")
    said = (facts.rows, facts.columns, facts.samples_per_pixel)
    if size[:3] != said or size.bits > facts.bits_allocated:
        raise Undecodable(
            f"The codestream has {size.rows} rows, {size.columns} columns, {size.samples} samples"
            f" of {size.bits} bits; its instance says {said[0]}, {said[1]}, {said[2]} of"
            f" {facts.bits_allocated}."
        )


def size_of(octets: bytes) -> Size | None:
    """Returns what a JPEG, JPEG-LS or JPEG 2000 codestream says; None if it is none of these."""
    if octets.startswith(_JPEG_START):
        return _jpeg(octets)
    # Some are in a JP2 file, against PS3.5 A.4.4.
    at = octets.find(_JPEG_2000_START, 0, 4_096)
    return _jpeg_2000(octets[at + 4 :]) if at >= 0 else None


def _jpeg(octets: bytes) -> Size | None:
    """ITU-T T.81 B.2.2; T.87 C.2.2."""
    for marker, segment in _segments(octets):
        is_frame = 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME
        if (is_frame or marker == _JPEG_LS_FRAME) and len(segment) >= 6:
            rows, columns = (int.from_bytes(segment[at : at + 2], "big") for at in (1, 3))
            return Size(rows, columns, segment[5], segment[0])
    return None


def _segments(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields markers with their segments, up to the first scan."""
    at = 2
    while at + 4 <= len(octets) and octets[at] == 0xFF:
        marker = octets[at + 1]
        if marker == 0xFF or marker in _STANDING_ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _SCAN:
            return
        length = int.from_bytes(octets[at + 2 : at + 4], "big")
        yield marker, octets[at + 4 : at + 2 + length]
        at += 2 + max(2, length)


def _jpeg_2000(segment: bytes) -> Size | None:
    """ITU-T T.800 A.5.1, from the length of SIZ on."""
    if len(segment) < 39:
        return None
    columns, rows, left, top = (
        int.from_bytes(segment[at : at + 4], "big") for at in (4, 8, 12, 16)
    )
    samples = int.from_bytes(segment[36:38], "big")
    return Size(rows - top, columns - left, samples, (segment[38] & 0x7F) + 1)
