"""Overlays drawn into a picture (PS3.3 C.9.2): graphics only, in white. In a codec's process."""

import base64
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from longshore.codecs.facts import DicomJson, PixelFacts, values
from longshore.codecs.wish import OVERLAY_GROUPS

_GRAPHICS: Final = "G"
_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
_WHITE: Final = 255
Mask = NDArray[np.bool_]


def draw(
    picture: Image.Image, dataset: DicomJson, facts: PixelFacts, octets: bytes, number: int
) -> Image.Image:
    """Returns a picture with the overlays of its frame; what does not describe one is left out.

    Args:
        picture: In the image's own size.
        dataset: With the values of overlay data.
        facts: Of the pixels, whose unused bits may be overlays in old instances.
        octets: The frame as stored.
        number: Of the frame, from 1.
    """
    drawn: NDArray[np.uint8] | None = None
    for group in OVERLAY_GROUPS:
        if str(next(iter(values(dataset, f"{group}0040")), "")) != _GRAPHICS:
            continue
        mask = _mask(dataset, group, facts, octets, number)
        if mask is None or not mask.any():
            continue
        drawn = np.array(picture) if drawn is None else drawn
        top, left = _origin(dataset, group)
        # An overlay may begin or end outside of the image.
        place = drawn[max(top, 0) : max(top, 0) + mask.shape[0], max(left, 0) :]
        part = mask[max(-top, 0) :, max(-left, 0) :][: place.shape[0], : place.shape[1]]
        place[: part.shape[0], : part.shape[1]][part] = _WHITE
    return picture if drawn is None else Image.fromarray(drawn)


def _mask(
    dataset: DicomJson, group: str, facts: PixelFacts, octets: bytes, number: int
) -> Mask | None:
    """Returns where an overlay is, rows x columns; None if there is none."""
    rows, columns = (_whole(dataset, f"{group}{element}", 0) for element in ("0010", "0011"))
    size = rows * columns
    if min(rows, columns) < 1:
        return None
    encoded = dataset.get(f"{group}3000", {}).get("InlineBinary")
    if encoded is None:
        return _within_pixels(_whole(dataset, f"{group}0102", 0), facts, octets)
    first = _whole(dataset, f"{group}0051", 1)
    at = number - first if _whole(dataset, f"{group}0015", 1) > 1 else 0
    if not 0 <= at < _whole(dataset, f"{group}0015", 1):
        return None
    data = np.frombuffer(base64.b64decode(encoded), np.uint8)
    begin = at * size // 8
    end = -(-(at + 1) * size // 8)
    if end > len(data):
        return None
    bits = np.unpackbits(data[begin:end], bitorder="little")[at * size % 8 :][:size]
    return bits.astype(np.bool_).reshape(rows, columns)


def _within_pixels(bit: int, facts: PixelFacts, octets: bytes) -> Mask | None:
    """Returns the overlay in a bit of each pixel that the pixel itself does not use."""
    count = facts.rows * facts.columns
    is_unused = facts.bits_stored <= bit < facts.bits_allocated
    if not facts.is_native or facts.samples_per_pixel != 1 or not is_unused:
        return None
    order = ">" if facts.transfer_syntax_uid == _BIG_ENDIAN else "<"
    dtype = np.dtype(f"{order}u{facts.bits_allocated // 8}")
    pixels: NDArray[Any] = np.frombuffer(octets, dtype, count)
    return ((pixels >> bit) & 1).astype(np.bool_).reshape(facts.rows, facts.columns)


def _origin(dataset: DicomJson, group: str) -> tuple[int, int]:
    """Returns the overlay's first row and column in the image, from 0; may be outside."""
    numbers = [*_numbers(dataset, f"{group}0050"), 1, 1]
    return numbers[0] - 1, numbers[1] - 1


def _whole(dataset: DicomJson, tag: str, default: int) -> int:
    return next(_numbers(dataset, tag), default)


def _numbers(dataset: DicomJson, tag: str) -> Iterator[int]:
    for value in values(dataset, tag):
        try:
            yield int(value)
        except (TypeError, ValueError):
            return
