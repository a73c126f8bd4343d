"""Parameters of rendered resources (PS3.18 8.3.5.1): texts to a `Wish`."""

import math
import re
from typing import Final

from starlette.requests import Request

from longshore.codecs.wish import WINDOW_SHAPES, Preset, Viewport, Window
from longshore.errors import InvalidRequest

QUALITY_DEFAULT: Final = 100
VIEWPORT_PIXELS_MAX: Final = 16_384
"""Longest edge of a picture that may be asked for, in pixels."""
PRESET_CHARACTERS_MAX: Final = 64
"""Of an explanation, a Long String (PS3.5 6.2)."""
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_PROFILES: Final = {"no": False, "yes": True}


def quality(request: Request) -> int:
    """Returns `quality`, 1 to 100.

    Raises:
        InvalidRequest: It is anything else.
    """
    text = request.query_params.get("quality")
    if text is None:
        return QUALITY_DEFAULT
    if not _WHOLE.fullmatch(text.strip()) or not 1 <= int(text) <= 100:
        raise InvalidRequest("Image quality must be between 1 and 100 inclusive")
    return int(text)


def window(request: Request) -> Window | Preset | None:
    """Returns `window=center,width[,shape]` or `window=name`; None if it is not there.

    Raises:
        InvalidRequest: It is not of that form.
    """
    text = request.query_params.get("window")
    if text is None:
        return None
    if text.strip() and "," not in text and len(text) <= PRESET_CHARACTERS_MAX:
        return Preset(text.strip())
    center, width, *rest = [each.strip() for each in text.split(",")] + [""]
    shape = rest[0].lower() or "linear" if len(rest) == 2 else "linear"
    numbers = [finite_number(center), finite_number(width)]
    if len(rest) > 2 or None in numbers or shape not in WINDOW_SHAPES:
        raise _bad_window()
    found = Window(numbers[0] or 0.0, numbers[1] or 0.0, shape)
    if found.width < 1 if shape == "linear" else found.width <= 0:
        raise _bad_window()
    return found


def viewport(request: Request) -> Viewport | None:
    """Returns `viewport=width,height[,left,top,width,height]`; None if it is not there.

    Raises:
        InvalidRequest: It is not of that form, or larger than `VIEWPORT_PIXELS_MAX`.
    """
    text = request.query_params.get("viewport")
    if text is None:
        return None
    members = [each.strip() for each in text.split(",")]
    sizes = [int(each) if _WHOLE.fullmatch(each) else 0 for each in members[:2]]
    places = [finite_number(each) if each else None for each in members[2:]]
    if (
        len(members) not in (2, 6)
        or not all(1 <= size <= VIEWPORT_PIXELS_MAX for size in sizes)
        or any(each and place is None for each, place in zip(members[2:], places, strict=True))
    ):
        raise _bad_viewport()
    if not places:
        return Viewport(sizes[0], sizes[1])
    left, top, width, height = places
    if (left or 0) < 0 or (top or 0) < 0 or width == 0 or height == 0:
        raise _bad_viewport()
    return Viewport(sizes[0], sizes[1], left or 0.0, top or 0.0, width, height)


def has_profile(request: Request) -> bool:
    """Returns whether `iccprofile` asks for the instance's own.

    Raises:
        InvalidRequest: It asks for another one.
    """
    text = request.query_params.get("iccprofile", "no").strip().lower()
    if text not in _PROFILES:
        raise InvalidRequest("iccprofile is one of: no, yes.")
    return _PROFILES[text]


def finite_number(text: str) -> float | None:
    """Returns a number; None of any other text."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _bad_window() -> InvalidRequest:
    shapes = ", ".join(WINDOW_SHAPES)
    return InvalidRequest(
        f"window is center,width or center,width,shape: numbers, the width above 0 (linear: at"
        f" least 1), and one of {shapes}; or the name of one of the instance's own, of at most"
        f" {PRESET_CHARACTERS_MAX} characters."
    )


def _bad_viewport() -> InvalidRequest:
    return InvalidRequest(
        "viewport is width,height or width,height,left,top,width,height: the first two are whole"
        f" numbers from 1 to {VIEWPORT_PIXELS_MAX}, in pixels of the picture, the others in pixels"
        " of the image, the last two of them not 0; negative ones mirror."
    )
