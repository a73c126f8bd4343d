"""multipart/related as user agents in the field can read it (RFC 2387; PS3.18 8.6.1.2).

Order and spelling matter to real viewers: `boundary` is the first parameter and bare, `type` is
quoted; each part begins with `Content-Type` in these capitals, its transfer syntax bare; nothing
comes before the first delimiter; the last one ends with CRLF.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

_BOUNDARY_BYTES = 16  # 128 bits, random or of a digest: does not occur in pixel data


@dataclass(frozen=True, slots=True)
class Envelope:
    """The bytes around n parts, and the media type that announces them.

    Attributes:
        heads: n runs of bytes, one before each part.
        tail: What follows the last part.
    """

    content_type: str
    heads: Sequence[bytes]
    tail: bytes


def envelope(
    root_type: str,
    part_types: Sequence[str],
    *,
    identity: str | None = None,
    locations: Sequence[str] = (),
) -> Envelope:
    """Returns the envelope of n parts, at least one, with a boundary of its own.

    Args:
        root_type: The parts' media type without parameters.
        part_types: n values of `Content-Type`, see `part_type`.
        identity: What the bytes of the body depend on. Of equal ones the boundary is the same, so
            that ranges of two answers fit together. None: it is new each time.
        locations: n values of `Content-Location`, or none.
    """
    if identity is None:
        boundary = secrets.token_hex(_BOUNDARY_BYTES)
    else:
        boundary = blake2b(identity.encode(), digest_size=_BOUNDARY_BYTES).hexdigest()
    headers = [f"Content-Type: {each}\r\n" for each in part_types]
    if locations:
        pairs = zip(headers, locations, strict=True)
        headers = [f"{each}Content-Location: {url}\r\n" for each, url in pairs]
    heads = [f"--{boundary}\r\n{each}\r\n".encode() for each in headers]
    return Envelope(
        content_type=f'multipart/related; boundary={boundary}; type="{root_type}"',
        heads=[head if index == 0 else b"\r\n" + head for index, head in enumerate(heads)],
        tail=f"\r\n--{boundary}--\r\n".encode("ascii"),
    )


def part_type(media_type: str, transfer_syntax_uid: str) -> str:
    """Returns a part's `Content-Type`; the syntax is bare because viewers take it literally."""
    return f"{media_type}; transfer-syntax={transfer_syntax_uid}"
