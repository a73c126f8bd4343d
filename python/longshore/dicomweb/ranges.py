"""Range, RFC 9110 14: which bytes of a body are asked for, and how the answer says so.

Several ranges in one header are answered with the whole body (RFC 9110 14.2 leaves that open).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from longshore.dicomweb.errors import text_response

_RANGE = re.compile(
    r"\s*bytes\s*=\s*(?:([0-9]{1,19})\s*-\s*([0-9]{0,19})|-\s*([0-9]{1,19}))\s*", re.IGNORECASE
)
"""One range: from a byte on, or the last bytes. Anything else is none, and is not heeded."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Some bytes of a body.

    Attributes:
        first: Position of the first one, 0-based.
        length: How many; 0 if the range begins behind the body.
    """

    first: int
    length: int

    def content_range(self, total: int) -> str:
        """Returns the value of `Content-Range` for a body of `total` bytes."""
        return f"bytes {self.first}-{self.first + self.length - 1}/{total}"


def asked_range(request: Request, total: int, headers: Mapping[str, str]) -> ByteRange | None:
    """Returns the range that a request asks for, or None for the whole body.

    Only GET has ranges. `If-Range` must be the strong `ETag` of `headers`: there are no dates.

    Args:
        total: Bytes of the whole body.
        headers: What a 200 would say.
    """
    asked = request.headers.getlist("range")
    if request.method != "GET" or len(asked) != 1 or not _is_current(request, headers):
        return None
    match = _RANGE.fullmatch(asked[0])
    if match is None:
        return None
    first_text, last_text, suffix_text = match.groups()
    if suffix_text is not None:
        length = min(int(suffix_text), total)
        return ByteRange(total - length, length)
    first = int(first_text)
    last = int(last_text) if last_text else total - 1
    if last_text and last < first:
        return None
    return ByteRange(first, max(min(last, total - 1) - first + 1, 0))


def not_satisfiable(total: int, headers: Mapping[str, str]) -> Response:
    """Returns 416: the range begins behind the last byte (RFC 9110 15.5.17)."""
    kept = {name: headers[name] for name in ("ETag", "Vary") if name in headers}
    kept |= {"Accept-Ranges": "bytes", "Content-Range": f"bytes */{total}"}
    text = f"The range begins behind the last byte. The body has {total} bytes."
    return text_response(416, text, kept)


def _is_current(request: Request, headers: Mapping[str, str]) -> bool:
    condition = request.headers.get("if-range")
    tag = headers.get("ETag", "")
    return condition is None or (condition.strip() == tag and tag.startswith('"'))
