"""Retrieve bulkdata, PS3.18 10.4.1.1.5: one value of an instance, as it lies in the file."""

from collections.abc import AsyncGenerator, Sequence

from longshore.blobs.store import BlobReader
from longshore.errors import NotFound
from longshore.extent import Extent
from longshore.index.locate import Located
from longshore.services.inflated import CHUNK_BYTES, DEFLATED, InflatedFile
from longshore.services.retrieve import Binding, Plan, plan_cuts, plan_extents
from longshore.services.retrieve_cut import Cut
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
        return plan_cuts([length], lambda cuts: _inflated(file, offset, cuts), binding)
    if offset + length > payload.length:
        msg = "The specified bulkdata cannot be found."
        raise NotFound(msg)
    return plan_extents(blobs, [Extent(payload.blob, payload.offset + offset, length)], binding)


async def _inflated(
    file: InflatedFile, offset: int, cuts: Sequence[Cut]
) -> AsyncGenerator[list[Piece], None]:
    for position, cut in enumerate(cuts):
        start = offset + cut.offset
        for begin in range(start, start + cut.length, CHUNK_BYTES):
            length = min(CHUNK_BYTES, start + cut.length - begin)
            yield [Piece(position, await file.read(begin, length))]
