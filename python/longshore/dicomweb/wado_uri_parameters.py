"""Parameters of pictures by the URI service (PS3.18 9.1.2.2): texts to a `Wish`."""

from typing import Final

from starlette.requests import Request

from longshore.codecs.wish import Viewport, Window, Wish
from longshore.dicomweb.rendered_parameters import (
    QUALITY_DEFAULT,
    VIEWPORT_PIXELS_MAX,
    finite_number,
)
from longshore.errors import InvalidRequest

_FRAME_NUMBER_MAX: Final = 2**31 - 1  # Number of Frames is an IS (PS3.3 C.7.6.6)


def wish(request: Request) -> Wish:
    """Returns what `imageQuality`, `rows`, `columns`, `region` and the window ask for.

    Raises:
        InvalidRequest: One of them is not of its form.
    """
    quality = _whole(request, "imageQuality", 100) or QUALITY_DEFAULT
    return Wish(quality=quality, window=_window(request), viewport=_viewport(request))


def frame_number(request: Request) -> int | None:
    """Returns `frameNumber`, from 1; None if it is not there.

    Raises:
        InvalidRequest: It is no such number.
    """
    return _whole(request, "frameNumber", _FRAME_NUMBER_MAX)


def _whole(request: Request, name: str, most: int) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    digits = text.strip()
    is_whole = digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))
    if not is_whole or not 1 <= int(digits) <= most:
        raise InvalidRequest(f"{name} is a whole number from 1 to {most}.")
    return int(digits)


def _window(request: Request) -> Window | None:
    texts = [request.query_params.get(name) for name in ("windowCenter", "windowWidth")]
    if texts == [None, None]:
        return None
    center, width = (finite_number(text or "") for text in texts)
    if center is None or width is None or width < 1:
        raise InvalidRequest("windowCenter and windowWidth are two numbers, the width at least 1.")
    return Window(center, width)


def _viewport(request: Request) -> Viewport | None:
    height = _whole(request, "rows", VIEWPORT_PIXELS_MAX)
    width = _whole(request, "columns", VIEWPORT_PIXELS_MAX)
    text = request.query_params.get("region")
    if text is None:
        return Viewport(width, height) if width or height else None
    numbers = [finite_number(each) for each in text.split(",")]
    edges = [each for each in numbers if each is not None and 0 <= each <= 1]
    if len(numbers) != 4 or len(edges) != 4 or edges[0] >= edges[2] or edges[1] >= edges[3]:
        raise InvalidRequest(
            "region is xmin,ymin,xmax,ymax: numbers from 0 to 1, of the image's width and height,"
            " the former below the latter."
        )
    left, top, right, bottom = edges
    return Viewport(width, height, left, top, right - left, bottom - top, is_relative=True)
