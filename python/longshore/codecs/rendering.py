"""Pictures of frames, as a browser shows them (PS3.18 8.3.5, 10.4.1.1.3). In a codec's process."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space

from longshore.codecs import grey, overlays
from longshore.codecs.facts import DicomJson, PixelFacts, StoredPixels, values
from longshore.codecs.frames import decode
from longshore.codecs.wish import FORMATS, PALETTE_TAGS, Preset, Viewport, Window, Wish
from longshore.errors import Undecodable

PIXELS_MAX: Final = 256 * 1024**2
"""Of one picture; a larger frame is served as stored only, or within a smaller viewport."""
GIF_FRAME_MS: Final = 40
"""How long a frame is shown where the instance does not say."""

_GROUPS: Final = ("52009229", "52009230")
_FRAME_VOI: Final = "00289132"
_TRANSFORMATION: Final = "00289145"


def render(stored: StoredPixels, frames: Sequence[tuple[int, bytes]], wish: Wish) -> bytes:
    """Returns a picture; of several frames, one that moves.

    Args:
        stored: With the values of `LUT_TAGS` in its metadata.
        frames: n pairs of frame number, from 1, and the frame as stored.

    Raises:
        Undecodable: The frames cannot be decoded, or are too large.
        InvalidRequest: The instance has no window of the wanted name.
    """
    dataset = stored.dataset()
    facts = stored.facts(dataset)
    pictures = [_shown(facts, octets, dataset, number, wish) for number, octets in frames]
    options: dict[str, Any] = {}
    if wish.media_type in ("image/jpeg", "image/webp", "image/avif"):
        options["quality"] = wish.quality
    if wish.media_type == "image/jpeg" and wish.quality == 100:
        options["subsampling"] = 0
    if wish.has_profile and (profile := dataset.get("00282000", {}).get("InlineBinary")):
        options["icc_profile"] = base64.b64decode(profile)
    if len(pictures) > 1:
        options |= {"save_all": True, "append_images": pictures[1:], "loop": 0}
        options["duration"] = _frame_ms(dataset)
    buffer = io.BytesIO()
    pictures[0].save(buffer, FORMATS[wish.media_type], **options)
    return buffer.getvalue()


def _shown(
    facts: PixelFacts, octets: bytes, dataset: DicomJson, number: int, wish: Wish
) -> Image.Image:
    picture = _picture(facts, octets, of_frame(dataset, number), wish.window)
    picture = overlays.draw(picture, dataset, facts, octets, number)
    return _placed(picture, wish.viewport)


def of_frame(dataset: DicomJson, number: int) -> DicomJson:
    """Returns the attributes of one frame: those of its functional groups put over the others.

    Only what concerns grey values (PS3.3 C.7.6.16.2.9 and .10).
    """
    found: dict[str, Any] = dict(dataset)
    shared, per_frame = (values(dataset, tag) for tag in _GROUPS)
    groups: list[Mapping[str, Any]] = [*shared[:1], *per_frame[number - 1 : number]]
    for group in groups:
        for tag in (_FRAME_VOI, _TRANSFORMATION):
            for item in values(group or {}, tag)[:1]:
                found |= item or {}
    return found


def _picture(
    facts: PixelFacts, octets: bytes, dataset: DicomJson, window: Window | Preset | None
) -> Image.Image:
    photometric = facts.photometric_interpretation
    if facts.samples_per_pixel == 1 and photometric != "PALETTE COLOR":
        pixels, _ = decode(facts, octets)
        return Image.fromarray(grey.shown(pixels, dataset, window))
    if photometric == "PALETTE COLOR":
        pixels, _ = decode(facts, octets)
        described = Dataset.from_json(
            {tag: dataset[tag] for tag in PALETTE_TAGS if dataset.get(tag)}
        )
        described.PhotometricInterpretation = photometric
        colours = apply_color_lut(pixels, described)
        return Image.fromarray(_bytes(colours, 8 * colours.dtype.itemsize))
    pixels, found = decode(facts, octets, as_rgb=True)
    if found.startswith("YBR_FULL"):
        pixels = convert_color_space(pixels, found, "RGB")
    return Image.fromarray(_bytes(pixels, facts.bits_stored))


def _bytes(colours: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Returns samples of so many bits as bytes."""
    if colours.dtype == np.uint8 and bits == 8:
        return np.ascontiguousarray(colours)
    highest = float((1 << bits) - 1)
    return np.rint(np.clip(colours / highest, 0.0, 1.0) * 255.0).astype(np.uint8)


def _placed(picture: Image.Image, viewport: Viewport | None) -> Image.Image:
    if viewport is not None:
        picture = _cut(picture, viewport)
        bounds = ((viewport.width, picture.width), (viewport.height, picture.height))
        scale = min((most / now for most, now in bounds if most), default=1.0)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        if size[0] * size[1] > PIXELS_MAX:
            raise Undecodable(f"A picture has at most {PIXELS_MAX} pixels; ask for a smaller one.")
        if size != picture.size:
            picture = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return picture


def _cut(picture: Image.Image, viewport: Viewport) -> Image.Image:
    across, down = (picture.width, picture.height) if viewport.is_relative else (1, 1)
    left, top = viewport.left * across, viewport.top * down
    width = (viewport.part_width or 0) * across or picture.width - left
    height = (viewport.part_height or 0) * down or picture.height - top
    right, bottom = left + abs(width), top + abs(height)
    box = (
        max(0, round(left)),
        max(0, round(top)),
        min(picture.width, round(right)),
        min(picture.height, round(bottom)),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        raise Undecodable("The viewport shows no pixel of the image.")
    picture = picture.crop(box)
    if width < 0:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if height < 0:
        picture = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return picture


def _frame_ms(dataset: DicomJson) -> int:
    """Returns how long a frame is shown (PS3.3 C.7.6.5)."""
    try:
        return max(10, round(float(values(dataset, "00181063")[0])))
    except (IndexError, TypeError, ValueError):
        return GIF_FRAME_MS
