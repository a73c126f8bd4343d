"""Parameters as PostgreSQL reads them: texts of numbers, dates, and arrays of them.

psycopg adapts any value of any type; here the types are few and the arrays long, and a batch's
arrays are most of what a Store costs in Python.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any


class Array(bytes):
    """An array, ready to send."""

    __slots__ = ()


def array(values: Sequence[Any]) -> Array:
    """Returns an array of numbers, booleans, texts, dates, times or bytes; None is NULL."""
    types = set(map(type, values))
    elements = map(str, values) if types == {int} else [_ELEMENTS[type(v)](v) for v in values]
    return Array(("{" + ",".join(elements) + "}").encode())


def parameter(value: Array | int | str) -> bytes:
    """Returns one parameter, ready to send."""
    return value if isinstance(value, Array) else str(value).encode()


def integers(text: bytes | None) -> list[int]:
    """Reads an array of integers without NULLs; none at all for NULL."""
    return [] if text is None else [int(each) for each in text[1:-1].split(b",") if each]


def optional_integers(text: bytes | None) -> list[int | None]:
    """Reads an array of integers; none at all for NULL."""
    if text is None:
        return []
    return [None if each == b"NULL" else int(each) for each in text[1:-1].split(b",") if each]


def byte_strings(text: bytes | None) -> list[bytes]:
    """Reads an array of byte strings without NULLs; none at all for NULL."""
    # Each is "\\x" and hexadecimal digits, in quotes.
    return [
        bytes.fromhex(each[4:-1].decode()) for each in (text or b"{}")[1:-1].split(b",") if each
    ]


def _quoted(text: str) -> str:
    if '"' in text or "\\" in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


_ELEMENTS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    int: str,
    bool: lambda value: "t" if value else "f",
    str: _quoted,
    float: repr,
    date: date.isoformat,
    datetime: datetime.isoformat,
    time: time.isoformat,
    bytes: lambda value: f'"\\\\x{value.hex()}"',
}
