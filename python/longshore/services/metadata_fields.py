"""Metadata with some of its attributes only."""

import orjson

ALWAYS = frozenset(("00080005", "00080016", "00080018", "0020000D", "0020000E"))
"""What says which instance it is, and how its texts are encoded."""


def only_fields(plain: bytes, tags: frozenset[str]) -> bytes:
    """Returns one instance's JSON with some of its top-level attributes, in the order they had.

    Args:
        plain: A JSON object.
        tags: Eight hexadecimal digits each, in capitals. The creators of private ones stay too, and
            so does what `ALWAYS` has.
    """
    kept = tags | ALWAYS | {_creator(tag) for tag in tags if int(tag[3], 16) % 2}
    elements = orjson.loads(plain)
    return orjson.dumps({tag: element for tag, element in elements.items() if tag in kept})


def _creator(tag: str) -> str:
    """Returns the tag of the element that says whose block a private one lies in (PS3.5 7.8.1)."""
    return f"{tag[:4]}00{tag[4:6]}"
