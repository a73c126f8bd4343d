"""Encapsulated documents (PS3.3 C.24): the file within the instance, without its padding."""

import base64

import orjson

from longshore.blobs.store import BlobReader
from longshore.errors import NotFound
from longshore.index.locate import Located
from longshore.services.bulkdata_uris import find_bulkdata
from longshore.services.retrieve import Plan, bare, plan_bytes
from longshore.services.retrieve_bulkdata import plan_bulkdata
from longshore.services.retrieve_metadata import read_stored_metadata

ENCAPSULATED_DOCUMENT = "00420011"
_LENGTH_OF_DOCUMENT = "00420015"


async def plan_document(blobs: BlobReader, located: Located) -> Plan:
    """Plans a body of an instance's document.

    Raises:
        NotFound: The instance has none.
        Unavailable: The storage fails.
    """
    plain = await read_stored_metadata(blobs, located)
    found = find_bulkdata(plain, ENCAPSULATED_DOCUMENT)
    if found is not None:
        place = found[0], document_length(plain, found[1])
        return plan_bulkdata(blobs, located, place, bare())
    inline = orjson.loads(plain).get(ENCAPSULATED_DOCUMENT, {}).get("InlineBinary")
    if not inline:
        raise NotFound("The specified document cannot be found.")
    octets = base64.b64decode(inline)
    return plan_bytes([octets[: document_length(plain, len(octets))]], bare())


def document_length(plain: bytes, length: int) -> int:
    """Returns the bytes of a document without its padding, which no XML reader takes.

    Encapsulated Document Length (PS3.3 C.24.2) says so, where it is there; padding is one byte.

    Args:
        plain: The instance's JSON as stored.
        length: Of the value, in bytes.
    """
    values = orjson.loads(plain).get(_LENGTH_OF_DOCUMENT, {}).get("Value") or [length]
    return length - 1 if values[0] == length - 1 else length
