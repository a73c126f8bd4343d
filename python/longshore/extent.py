"""Where bytes lie: a blob's name, an offset and a length."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes within one blob.

    Attributes:
        blob: The blob's name.
        offset: Bytes before the first one, 0-based.
        length: Number of bytes; may be 0.
    """

    blob: str
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.length

    def within(self, offset: int, length: int) -> "Extent":
        """Returns `length` bytes of it from its byte `offset` (0-based) on; keep both within it."""
        return Extent(self.blob, self.offset + offset, length)


def pack_blob(pack_id: str) -> str:
    """Returns the blob name of a pack.

    Pack ids begin with the time, so their last two digits spread the packs over 256 folders.
    """
    return f"packs/{pack_id[-2:]}/{pack_id}.zip"
