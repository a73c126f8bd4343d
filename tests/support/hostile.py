"""Instances whose pixel data lie, or claim more than any machine has."""

import io
import itertools
import struct
from collections.abc import Callable, Iterator

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from tests.support import synthetic

EDGE = 64
"""Rows and columns of the honest frame."""
ITEM = b"\xfe\xff\x00\xe0"
END = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


def frame() -> npt.NDArray[np.uint8]:
    """A frame with something on it."""
    return (np.add.outer(np.arange(EDGE), np.arange(EDGE)) % 251).astype(np.uint8)


def rle(header: bytes, segment: bytes) -> bytes:
    return header.ljust(64, b"\0") + segment


CODESTREAMS = {
    JPEGBaseline8Bit: bytes(imagecodecs.jpeg8_encode(frame())),
    JPEGLSLossless: bytes(imagecodecs.jpegls_encode(frame())),
    JPEG2000Lossless: bytes(
        imagecodecs.jpeg2k_encode(frame(), codecformat="j2k", reversible=True, resolutions=5)
    ),
    HTJ2KLossless: bytes(imagecodecs.htj2k_encode(frame(), reversible=True)),
    RLELossless: rle(
        struct.pack("<2I", 1, 64),
        b"".join(b"\x3f" + frame()[row].tobytes() for row in range(EDGE)),
    ),
}
"""Honest ones, by transfer syntax."""


def item(content: bytes) -> bytes:
    padded = content + b"\0" * (len(content) % 2)
    return ITEM + struct.pack("<I", len(padded)) + padded


def instance(
    number: int, syntax: UID, pixels: bytes, change: Callable[[FileDataset], None] | None = None
) -> bytes:
    """An 8-bit instance with these pixel data, written as they are.

    Args:
        pixels: Native, or items behind one another with the table first.
        change: Made to the data set last.
    """
    dataset = pydicom.dcmread(io.BytesIO(synthetic.ct(number)))
    dataset.Rows = dataset.Columns = EDGE
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.file_meta.TransferSyntaxUID = syntax
    del dataset.PixelData
    if change:
        change(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    if syntax == ExplicitVRLittleEndian:
        element = b"\xe0\x7f\x10\x00OB\0\0" + struct.pack("<I", len(pixels)) + pixels
    else:
        element = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + pixels + END
    return buffer.getvalue() + element


def sized(rows: int, columns: int) -> Callable[[FileDataset], None]:
    def change(dataset: FileDataset) -> None:
        dataset.Rows, dataset.Columns = rows, columns

    return change


def of_frames(count: int) -> Callable[[FileDataset], None]:
    def change(dataset: FileDataset) -> None:
        dataset.NumberOfFrames = count

    return change


_numbers = itertools.count(1_000)
Named = tuple[str, bytes]
"""What is wrong, and the pixel data or the file."""


def instances() -> Iterator[Named]:
    """Yields hostile instances with what is wrong with them."""
    yield from _offset_tables()
    yield from _wrong_sizes()
    yield from _wrong_codestreams()
    yield from _bombs()
    yield from _rle()


def _made(syntax: UID, pixels: bytes, change: Callable[[FileDataset], None] | None = None) -> bytes:
    return instance(next(_numbers), syntax, pixels, change)


def _offset_tables() -> Iterator[Named]:
    three = item(CODESTREAMS[JPEGBaseline8Bit]) * 3
    for name, offsets in {
        "beyond the data": (0, 10**6, 4 * 10**9),
        "descending": (5_000, 300, 0),
        "all the same": (0, 0, 0),
        "within an item": (0, 7, 13),
        "too few": (0,),
        "too many": tuple(range(0, 4_000, 8)),
    }.items():
        table = item(struct.pack(f"<{len(offsets)}I", *offsets))
        yield f"offsets {name}", _made(JPEGBaseline8Bit, table + three, of_frames(3))
    for name, (offsets, lengths) in {
        "beyond": ((0, 2**40, 2**63), (2**62, 1, 1)),
        "overlapping": ((0, 0, 0), (900, 900, 900)),
        "uneven": ((0, 100), (1,)),
    }.items():
        change = extended(offsets, lengths)
        yield f"extended offsets {name}", _made(JPEGBaseline8Bit, item(b"") + three, change)


def extended(offsets: tuple[int, ...], lengths: tuple[int, ...]) -> Callable[[FileDataset], None]:
    def change(dataset: FileDataset) -> None:
        dataset.NumberOfFrames = 3
        dataset.ExtendedOffsetTable = struct.pack(f"<{len(offsets)}Q", *offsets)
        dataset.ExtendedOffsetTableLengths = struct.pack(f"<{len(lengths)}Q", *lengths)

    return change


def _wrong_sizes() -> Iterator[Named]:
    few = b"\x07" * 900
    large = _made(ExplicitVRLittleEndian, few, sized(65_535, 65_535))
    yield "65,535 x 65,535 in 900 bytes", large
    many = _made(ExplicitVRLittleEndian, frame().tobytes(), of_frames(2**31 - 1))
    yield "2^31-1 frames", many


def _wrong_codestreams() -> Iterator[Named]:
    noise = np.random.default_rng(5).integers(0, 256, 5_000, np.uint8).tobytes()
    sizes = ((65_535, 65_535), (30_000, 30_000), (16_000, 16_000), (1, 1), (64, 63))
    for syntax, codestream in CODESTREAMS.items():
        whole = item(b"") + item(codestream)
        for rows, columns in sizes:
            name = f"{syntax.name}: {rows} x {columns}"
            yield name, _made(syntax, whole, sized(rows, columns))
        yield f"{syntax.name}: 2^31-1 frames", _made(syntax, whole, of_frames(2**31 - 1))
        for what, pixels in {
            "cut off": item(codestream[:90]),
            "no fragment": b"",
            "noise behind its head": item(codestream[:120] + noise),
        }.items():
            yield f"{syntax.name}: {what}", _made(syntax, item(b"") + pixels)


def _bombs() -> Iterator[Named]:
    """Codestreams whose own head claims a size, which the instance confirms."""
    for syntax, marker, skip, size in (
        (JPEGLSLossless, b"\xff\xf7", 5, ">2H"),
        (JPEGBaseline8Bit, b"\xff\xc0", 5, ">2H"),
        (JPEG2000Lossless, b"\xff\x51", 6, ">2I"),
        (HTJ2KLossless, b"\xff\x51", 6, ">2I"),
    ):
        for edge in (8_000, 22_000, 60_000):
            bomb = bytearray(CODESTREAMS[syntax])
            struct.pack_into(size, bomb, bomb.index(marker) + skip, edge, edge)
            name = f"{syntax.name}: a bomb of {edge:,} x {edge:,}"
            yield name, _made(syntax, item(b"") + item(bytes(bomb)), sized(edge, edge))


def _rle() -> Iterator[Named]:
    for name, header in {
        "segments beyond": struct.pack("<4I", 3, 64, 10**9, 2 * 10**9),
        "a thousand segments": struct.pack("<2I", 1_000, 64),
        "no segments": struct.pack("<I", 0),
    }.items():
        frame_of_it = rle(header, b"\x81\x05" * 64)
        yield f"RLE: {name}", _made(RLELossless, item(b"") + item(frame_of_it))
    for edge in (8_000, 22_000):
        bomb = rle(struct.pack("<2I", 1, 64), b"\x81\x05" * 2_000)
        name = f"RLE: a bomb of {edge:,} x {edge:,}"
        yield name, _made(RLELossless, item(b"") + item(bomb), sized(edge, edge))
