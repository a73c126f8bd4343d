"""How frames are rendered: what a user agent may say, as values (PS3.18 8.3.5).

Apart from the rendering itself, so that workers need not hold its libraries.
"""

from dataclasses import dataclass
from typing import Final

WINDOW_SHAPES: Final = ("linear", "linear-exact", "sigmoid")
FORMATS: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
}
"""Media types that pictures are written in, the default first."""
PALETTE_TAGS: Final = (
    "00281101",
    "00281102",
    "00281103",
    "00281201",
    "00281202",
    "00281203",
    "00281221",
    "00281222",
    "00281223",
)
OVERLAY_GROUPS: Final = tuple(f"60{number:02X}" for number in range(0, 0x20, 2))
"""Of the at most 16 overlays of an instance (PS3.5 7.6)."""
LUT_TAGS: Final = frozenset(
    (
        *PALETTE_TAGS,
        "00283000",
        "00283010",
        "00282000",
        *(f"{group}3000" for group in OVERLAY_GROUPS),
    )
)
"""Attributes that rendering reads, and whose values metadata may only refer to."""


@dataclass(frozen=True, slots=True)
class Window:
    """What of the values is shown (PS3.3 C.11.2.1.2).

    Attributes:
        center: Of the values behind the modality LUT.
        width: Likewise, above 0.
        shape: One of `WINDOW_SHAPES`.
    """

    center: float
    width: float
    shape: str = "linear"


@dataclass(frozen=True, slots=True)
class Preset:
    """One of the instance's own windows or VOI LUTs.

    Attributes:
        name: Its explanation, in upper or lower case; or which of the windows, from "1".
    """

    name: str


@dataclass(frozen=True, slots=True)
class Viewport:
    """Which part of the image is shown, in which size (PS3.18 8.3.5.1.3).

    Attributes:
        width: At most, in pixels of the picture; likewise `height`. The aspect ratio is kept.
            None: the other one says the size, or the image's own is kept.
        left: Of the part, in pixels of the image; likewise `top`.
        part_width: None: to the right edge. Negative: mirrored. Likewise `part_height`.
        is_relative: The part is in parts of the image's width and height, 0 to 1.
    """

    width: int | None
    height: int | None
    left: float = 0.0
    top: float = 0.0
    part_width: float | None = None
    part_height: float | None = None
    is_relative: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """How frames are rendered.

    Attributes:
        media_type: One of `FORMATS`.
        quality: 1 to 100, of JPEG, WebP and AVIF.
        window: None: as the instance says.
        viewport: None: the whole image in its own size.
        has_profile: The instance's ICC profile goes into the picture.
    """

    media_type: str = "image/jpeg"
    quality: int = 100
    window: Window | Preset | None = None
    viewport: Viewport | None = None
    has_profile: bool = False
