"""The `cursor` parameter of a Search: the place behind which a page begins, opaque to clients."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from typing import Any, Final, cast

import orjson

from longshore.errors import InvalidRequest
from longshore.index.search_order import OrderBy, OrderValue, Position

_INTEGER_MAX: Final = 2**63 - 1  # PostgreSQL's bigint
_CHARACTERS_MAX: Final = 32 * 1024  # a few texts of 600 characters, each written as \uXXXX
_INVALID: Final = (
    "The query parameter 'cursor' is invalid: follow the Link of a page as it is, with the same"
    " orderby."
)


def write_cursor(position: Position) -> str:
    """Returns the parameter's value."""
    # orjson writes some fractions of a second so that they read as others.
    values = [
        each.isoformat() if isinstance(each, date | time) else each for each in position.values
    ]
    text = orjson.dumps([position.row_key, *values])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def read_cursor(text: str, order: Sequence[OrderBy]) -> Position:
    """Returns the place that a cursor stands for.

    Raises:
        InvalidRequest: It was not written by `write_cursor`, or for another order.
    """
    try:
        return _position(text, order)
    except (ValueError, TypeError, binascii.Error):
        # Not chained: a decoder's error quotes what it could not read.
        raise InvalidRequest(_INVALID) from None


def _position(text: str, order: Sequence[OrderBy]) -> Position:
    if len(text) > _CHARACTERS_MAX:
        raise ValueError
    found = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
    if not isinstance(found, list):
        raise TypeError
    row_key, *values = cast("list[Any]", found)
    read = [_value(value, each) for value, each in zip(values, order, strict=True)]
    return Position(tuple(read), _integer(row_key))


def _integer(value: Any) -> int:
    # JSON's true is an int as well.
    if type(value) is not int or not -_INTEGER_MAX <= value <= _INTEGER_MAX:
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError
    return value


_READERS: Final[Mapping[str, Callable[[Any], OrderValue]]] = {
    "DA": date.fromisoformat,
    "TM": time.fromisoformat,
    "IS": _integer,
    "US": _integer,
}


def _value(value: Any, order_by: OrderBy) -> OrderValue:
    return None if value is None else _READERS.get(order_by.attribute.vr, _text)(value)
