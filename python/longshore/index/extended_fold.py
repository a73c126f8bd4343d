"""Match keys of the VRs that only extended query tags have: date times and numbers."""

import math
import re
import struct
from datetime import datetime

_PADDING = " \0"
_DATE_TIME = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?"
    r"(?P<offset>[+-]\d{4})?",
    re.ASCII,
)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def fold_date_time(text: str) -> datetime | None:
    """Returns a DT value (PS3.5 6.2) as its first instant, in whatever zone it was written.

    A leap second counts as the last microsecond before it.
    """
    found = _DATE_TIME.fullmatch(text.strip(_PADDING))
    if found is None:
        return None
    year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
    hour, minute, second = int(found[4] or 0), int(found[5] or 0), int(found[6] or 0)
    microsecond = int((found[7] or "0").ljust(6, "0"))
    if second == 60:
        second, microsecond = 59, 999_999
    try:
        return datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001
    except ValueError:
        return None


def has_offset(text: str) -> bool:
    """True if a DT value says how far it is from UTC."""
    found = _DATE_TIME.fullmatch(text.strip(_PADDING))
    return found is not None and found["offset"] is not None


def fold_whole(text: str) -> int | None:
    """Returns an integer of 64 bits; leading zeros mean nothing."""
    stripped = text.strip(_PADDING)
    return int(stripped) if _INTEGER.fullmatch(stripped) else None


def fold_double(text: str) -> float | None:
    """Returns an FD value as a finite number."""
    try:
        number = float(text.strip(_PADDING))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def fold_single(text: str) -> float | None:
    """Returns an FL value likewise, rounded as 32 bits keep it."""
    number = fold_double(text)
    try:
        return None if number is None else struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return None
