"""Retrieve bulkdata, PS3.18 10.4.1.1.5: one value of an instance, as it lies in the file."""

from collections.abc import AsyncGenerator

from longshore.blobs.store import BlobReader
from longshore.errors import NotFound
from longshore.extent import Extent
from longshore.index.locate import Located
from longshore.services.inflated import CHUNK_BYTES, DEFLATED, InflatedFile
from longshore.services.retrieve import Binding, Plan, bind, plan_extents
from longshore.services.retrieve_pieces import Piece


def plan_bulkdata(
    blobs: BlobReader, located: Located, place: tuple[int, int], binding: Binding
) -> Plan:
    """Plans a body of one value.

    Args:
        place: Offset in the Part 10 file and length, in bytes, from the stored metadata.

    Raises:
        NotFound: The place is not within the file.
    """
    offset, length = place
    payload = located.payload
    if located.transfer_syntax_uid == DEFLATED:
        file = InflatedFile(blobs, payload)
        return Plan(binding.length + length, lambda: bind(_inflated(file, offset, length), binding))
    if offset + length > payload.length:
        msg = "The specified bulkdata cannot be found."
        raise NotFound(msg)
    return plan_extents(blobs, [Extent(payload.blob, payload.offset + offset, length)], binding)


async def _inflated(
    file: InflatedFile, offset: int, length: int
) -> AsyncGenerator[list[Piece], None]:
    for begin in range(offset, offset + length, CHUNK_BYTES):
        yield [Piece(0, await file.read(begin, min(CHUNK_BYTES, offset + length - begin)))]
