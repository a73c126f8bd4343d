"""Names of blobs."""

import re

_NAME = re.compile(r"[a-z0-9_-][a-z0-9._-]*(/[a-z0-9_-][a-z0-9._-]*)*")
NAME_BYTES_MAX = 512


def checked(name: str) -> str:
    """Returns a blob's name.

    Raises:
        ValueError: It is no relative path of `[a-z0-9._-]` steps, or longer than
            `NAME_BYTES_MAX`. A mistake in our code: names never come from a client.
    """
    if len(name) > NAME_BYTES_MAX or _NAME.fullmatch(name) is None:
        msg = f"not a blob name: {name!r}"
        raise ValueError(msg)
    return name
