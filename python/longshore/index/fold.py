"""Match keys: texts as they are compared, and numbers, dates and times as they are ordered.

Exact matching is case-insensitive, accent-sensitive and blind to trailing padding; names are
matched without accents too. Values that are no such thing have no key, and match nothing.
"""

import re
import unicodedata
from datetime import date, time

_PADDING = " \0"
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)")
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?")
_INTEGER_BITS = 31


def fold(text: str) -> str:
    """Returns the match key of a text."""
    return text.rstrip(_PADDING).casefold()


def fold_name(text: str) -> str:
    """Returns the match key of a person name."""
    decomposed = unicodedata.normalize("NFKD", text.rstrip(_PADDING))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def fold_date(text: str) -> date | None:
    """Returns a DA value (PS3.5 6.2) as a date."""
    found = _DATE.fullmatch(text.strip(_PADDING).replace(".", ""))
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None


def fold_time(text: str) -> time | None:
    """Returns a TM value (PS3.5 6.2) as a time; what it leaves out is zero.

    A leap second counts as the last microsecond before it.
    """
    found = _TIME.fullmatch(text.strip(_PADDING))
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2] or 0), int(found[3] or 0)
    microsecond = int((found[4] or "0").ljust(6, "0"))
    if second == 60:
        second, microsecond = 59, 999_999
    try:
        return time(hour, minute, second, microsecond)
    except ValueError:
        return None


def fold_integer(text: str) -> int | None:
    """Returns an IS or US value as an integer of 32 bits."""
    try:
        number = int(text.strip(_PADDING))
    except ValueError:
        return None
    return number if -(1 << _INTEGER_BITS) <= number < 1 << _INTEGER_BITS else None
