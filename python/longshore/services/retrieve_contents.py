"""Bodies of many values of many instances: all bulkdata, or all pixel data (PS3.18 10.4.1.1.5, 6).

Values are places in Part 10 files. Those in deflated files are found by inflating what is before.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from longshore.blobs.store import BlobReader
from longshore.errors import NotFound, TooLarge
from longshore.extent import Extent
from longshore.index.locate import Located
from longshore.services.bulkdata_uris import all_bulkdata
from longshore.services.inflated import CHUNK_BYTES, DEFLATED, InflatedFile
from longshore.services.retrieve import Binding, Plan, plan_cuts, plan_extents
from longshore.services.retrieve_cut import Cut
from longshore.services.retrieve_metadata import stored_groups
from longshore.services.retrieve_pieces import Piece, read_pieces

BULKDATA_COUNT_MAX = 100_000
"""Values in one answer."""


@dataclass(frozen=True, slots=True)
class Content:
    """One value of an instance.

    Attributes:
        offset: In the instance's Part 10 file, inflated if it is deflated; bytes.
        length: Bytes.
        tag_path: Of bulkdata, as in its URL.
    """

    located: Located
    offset: int
    length: int
    tag_path: str = ""

    @property
    def is_deflated(self) -> bool:
        """True if nothing lies at a fixed place in the file."""
        return self.located.transfer_syntax_uid == DEFLATED

    @property
    def extent(self) -> Extent:
        """Where the value lies, unless the file is deflated."""
        return self.located.payload.within(self.offset, self.length)


async def find_all_bulkdata(blobs: BlobReader, located: Sequence[Located]) -> list[Content]:
    """Returns every value that the metadata of n instances refer to, instance by instance.

    Raises:
        NotFound: There is none.
        TooLarge: There are more than `BULKDATA_COUNT_MAX`.
        Unavailable: A pack is damaged.
    """
    contents: list[Content] = []
    referring = [each for each in located if each.has_bulkdata_uri]
    async with aclosing(stored_groups(blobs, referring)) as groups:
        async for group in groups:
            for each, plain in group:
                contents += [
                    Content(each, offset, length, tag_path)
                    for tag_path, offset, length in all_bulkdata(plain)
                ]
            if len(contents) > BULKDATA_COUNT_MAX:
                raise TooLarge(
                    f"There are more than {BULKDATA_COUNT_MAX} bulkdata; ask for less at a time."
                )
    if not contents or not all(map(_is_within, contents)):
        raise NotFound("The specified bulkdata cannot be found.")
    return contents


def plan_contents(blobs: BlobReader, contents: Sequence[Content], binding: Binding) -> Plan:
    """Plans a body of n values, each behind its head."""
    if not any(each.is_deflated for each in contents):
        return plan_extents(blobs, [each.extent for each in contents], binding)

    async def source(cuts: Sequence[Cut]) -> AsyncGenerator[list[Piece], None]:
        file: InflatedFile | None = None
        of: Located | None = None
        for position, cut in enumerate(cuts):
            content = contents[cut.at]
            if not content.is_deflated:
                extent = content.extent.within(cut.offset, cut.length)
                async with aclosing(read_pieces(blobs, [extent])) as groups:
                    async for group in groups:
                        yield [Piece(position, octets) for _, octets in group]
                continue
            if file is None or of is not content.located:  # values come in the order of the file
                file, of = InflatedFile(blobs, content.located.payload), content.located
            start = content.offset + cut.offset
            for begin in range(start, start + cut.length, CHUNK_BYTES):
                length = min(CHUNK_BYTES, start + cut.length - begin)
                yield [Piece(position, await file.read(begin, length))]

    return plan_cuts([each.length for each in contents], source, binding)


def _is_within(content: Content) -> bool:
    return content.is_deflated or content.offset + content.length <= content.located.payload.length
