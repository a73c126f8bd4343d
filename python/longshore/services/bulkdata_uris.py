"""BulkDataURIs in stored metadata: relative, with a place in the file; served absolute, without."""

import json
import re

# Written by the extension, without spaces. Cannot occur within a JSON string: its quotes would be
# escaped there.
_BULKDATA_URI = re.compile(
    rb'"BulkDataURI":"bulkdata/(?P<tag_path>[^"?]*)'
    rb'\?offset=(?P<offset>[0-9]{1,19})&length=(?P<length>[0-9]{1,19})"'
)


def with_absolute_uris(plain: bytes, instance_url: str) -> bytes:
    """Returns an instance's stored JSON as it is served.

    Args:
        instance_url: Absolute; its bulkdata are found below it.
    """
    # The URL holds the host as the user agent wrote it: escape it as any JSON text.
    url = json.dumps(instance_url)[1:-1].encode()
    return _BULKDATA_URI.sub(
        lambda match: b'"BulkDataURI":"' + url + b"/bulkdata/" + match["tag_path"] + b'"', plain
    )


def find_bulkdata(plain: bytes, tag_path: str) -> tuple[int, int] | None:
    """Returns offset and length in the Part 10 file of a value that metadata refers to.

    Args:
        plain: One instance's JSON as stored.
        tag_path: As in the URL; upper or lower case.
    """
    wanted = tag_path.upper().encode()
    for match in _BULKDATA_URI.finditer(plain):
        if match["tag_path"].upper() == wanted:
            return int(match["offset"]), int(match["length"])
    return None


def all_bulkdata(plain: bytes) -> list[tuple[str, int, int]]:
    """Returns path of tags, offset and length of every value that metadata refer to, in order.

    Args:
        plain: One instance's JSON as stored.
    """
    return [
        (match["tag_path"].decode(), int(match["offset"]), int(match["length"]))
        for match in _BULKDATA_URI.finditer(plain)
    ]
