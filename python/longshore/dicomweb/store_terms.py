"""What a Store request asks for in its method and its headers (the model's upsert and expiry)."""

import re

from starlette.datastructures import Headers
from starlette.requests import Request

from longshore.errors import InvalidRequest
from longshore.index.new import ORDINARY, StoreTerms

EXPIRY_MS_MAX = 100 * 366 * 86_400_000
"""A hundred years: who wants longer wants no expiry."""

_TIME = "msdicom-expiry-time-milliseconds"
_ONLY_VALUES = {"msdicom-expiry-option": "RelativeToNow", "msdicom-expiry-level": "Study"}
_NUMBER = re.compile(r"[0-9]{1,20}")


def store_terms(request: Request) -> StoreTerms:
    """Returns what is asked for: PUT replaces, the expiry headers set when the study goes.

    Raises:
        InvalidRequest: An expiry header has a value that it cannot have, or lacks the time.
    """
    replaces = request.method == "PUT"
    expires_after_ms = _expires_after_ms(request.headers)
    if not replaces and expires_after_ms is None:
        return ORDINARY
    return StoreTerms(replaces, expires_after_ms)


def _expires_after_ms(headers: Headers) -> int | None:
    text = headers.get(_TIME)
    for name, only in _ONLY_VALUES.items():
        value = headers.get(name)
        if value is None:
            continue
        if text is None:
            raise InvalidRequest(f"The header {name} needs {_TIME} beside it.")
        if value.strip().lower() != only.lower():
            raise InvalidRequest(f"The header {name} is not '{only}', its only value.")
    if text is None:
        return None
    number = int(text) if _NUMBER.fullmatch(text) else 0
    if not 0 < number <= EXPIRY_MS_MAX:
        raise InvalidRequest(f"The header {_TIME} is not a whole number from 1 to {EXPIRY_MS_MAX}.")
    return number
