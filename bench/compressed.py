"""Instances with compressed frames: a CT with noise in two transfer syntaxes, a slide of tiles."""

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread  # pyright: ignore[reportUnknownVariableType]
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    VLWholeSlideMicroscopyImageStorage,
)

from bench.instances import CT, SMALL, new_numbers, template, uid
from bench.mould import PART_HEAD, Mould, Request, cut, store_request

TILE_BYTES = 8_192
"""Of one tile of the slide, as stored."""
TILE_COUNT = 100_000
_PIXEL_DATA: Final = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff"
_ITEM: Final = b"\xfe\xff\x00\xe0"
_END: Final = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


def _jpeg_2000(pixels: NDArray[Any]) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            pixels, codecformat="j2k", reversible=True, mct=False, resolutions=6, bitspersample=12
        )
    )


def _jpeg_ls(pixels: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpegls_encode(pixels))


ENCODERS: Final[Mapping[str, Callable[[NDArray[Any]], bytes]]] = {
    str(JPEG2000Lossless): _jpeg_2000,
    str(JPEGLSLossless): _jpeg_ls,
}
"""By transfer syntax."""


@cache
def codestream(syntax: str) -> bytes:
    """Returns the one frame of the CT, compressed."""
    return ENCODERS[syntax](_body())


def _body() -> NDArray[Any]:
    """Returns a slice through something like a body, with noise, which codecs find hardest."""
    noise = np.random.default_rng(7)
    shape = (CT.rows, CT.rows)
    y, x = np.mgrid[-1 : 1 : CT.rows * 1j, -1 : 1 : CT.rows * 1j]
    tissue = 1_024 + 200 * np.cos(6 * x) * np.sin(5 * y) + noise.normal(0, 20, shape)
    air = 24 + noise.normal(0, 8, shape)
    pixels = np.where((x / 0.8) ** 2 + (y / 0.6) ** 2 < 1, tissue, air)
    return pixels.clip(0, 4_095).astype("<u2")


@cache
def _ct_mould(syntax: str) -> Mould:
    dataset = dcmread(io.BytesIO(template(CT)))
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.PixelData = encapsulate([codestream(syntax)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    content = buffer.getvalue()
    slots = {level: uid(level, 0).encode() for level in ("1", "2", "3")}
    return cut(content, slots, shared_bytes=len(content) - content.rindex(_PIXEL_DATA))


def store_ct(root: str, syntax: str, *, study: int, numbers: Sequence[int]) -> Request:
    """Returns a Store of compressed CT of one study, which has one series."""
    common = {level: uid(level, study).encode() for level in ("1", "2")}
    own = _ct_mould(syntax).bound(common)
    return store_request(root, [own.pour({"3": uid("3", number).encode()}) for number in numbers])


def store_slide(root: str) -> tuple[Request, str]:
    """Returns a Store of one instance of `TILE_COUNT` frames, and its path."""
    number = next(new_numbers)
    dataset = dcmread(io.BytesIO(template(SMALL)))
    meta = dataset.file_meta
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = UID(uid("3", number))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid("1", number), uid("2", number)
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.NumberOfFrames = TILE_COUNT
    del dataset.PixelData
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    offsets = struct.pack(f"<{TILE_COUNT}I", *(at * (TILE_BYTES + 8) for at in range(TILE_COUNT)))
    table = _ITEM + struct.pack("<I", len(offsets)) + offsets
    # Nobody decodes it: it is a JPEG to its first marker only.
    tile = b"\xff\xd8" + bytes(range(256)) * (TILE_BYTES // 256)
    item = _ITEM + struct.pack("<I", TILE_BYTES) + tile[:TILE_BYTES]
    head = PART_HEAD + buffer.getvalue() + _PIXEL_DATA
    # All tiles are one piece of memory.
    pieces = [(head, table), *[(item, item)] * (TILE_COUNT // 2), (_END, b"\r\n")]
    path = f"/studies/{uid('1', number)}/series/{uid('2', number)}/instances/{uid('3', number)}"
    return store_request(root, pieces), path
