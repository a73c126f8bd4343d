"""Match keys: texts as they are compared, and numbers, dates and times as they are ordered.

Exact matching is case-insensitive, accent-sensitive and blind to trailing padding; names are
matched without accents too. Values that are no such thing have no key, and match nothing.
"""

import re
import unicodedata
from datetime import date, time

KEY_CHARACTERS_MAX = 600
"""Longer keys are cut: an entry of a PostgreSQL index holds 2,704 bytes, a character up to 4."""

_PADDING = " \0"
_NAME_PADDING = "^ "
_DATE = re.compile(r"(\d{4})(\.?)(\d\d)\2(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,12}", re.ASCII)
_INTEGER_BITS = 31


def fold(text: str) -> str:
    """Returns the match key of a text."""
    return _key(text.rstrip(_PADDING))


def fold_name(text: str) -> str:
    """Returns the match key of a person name.

    Delimiters behind the last component and group say nothing (PS3.5 6.2.1.1): devices send some or
    not, so that both are one name.
    """
    groups = [group.rstrip(_NAME_PADDING) for group in fold_name_part(text).split("=")]
    return "=".join(groups).rstrip("=")


def fold_name_part(text: str) -> str:
    """Returns the match key of a part of a person name, in which all delimiters count."""
    decomposed = unicodedata.normalize("NFKD", text.rstrip(_PADDING))
    return _key("".join(c for c in decomposed if not unicodedata.combining(c)))


def fold_ascii(text: str) -> str:
    """Returns the match key of an ID inside a sequence: only letters of ASCII are folded.

    PostgreSQL does the same on its side, whatever the database's locale is.
    """
    return text.strip(_PADDING).encode().lower().decode().replace("\0", "")


def fold_date(text: str) -> date | None:
    """Returns a DA value (PS3.5 6.2) as a date; the dots of ACR-NEMA are understood."""
    found = _DATE.fullmatch(text.strip(_PADDING))
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[3]), int(found[4]))
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
    stripped = text.strip(_PADDING)
    if _INTEGER.fullmatch(stripped) is None:
        return None
    number = int(stripped)
    return number if -(1 << _INTEGER_BITS) <= number < 1 << _INTEGER_BITS else None


def _key(text: str) -> str:
    """PostgreSQL's texts hold no NUL."""
    return text.casefold().replace("\0", "")[:KEY_CHARACTERS_MAX]
