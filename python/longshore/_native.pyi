"""The Rust extension: splits bodies, reads instances, lays out packs.

Everything here takes immutable `bytes`, leaves the GIL while it works, and returns values. A bad
part is a `Refusal`, a bad body an exception.
"""

from collections.abc import Sequence
from typing import final

from typing_extensions import Buffer

__all__ = [
    "DEFAULT_PARTITION_NAME",
    "FRAME_TABLE_ENTRY_BYTES",
    "GZIP_SEPARATOR",
    "Attribute",
    "ExtendedTags",
    "ForeignPartError",
    "Instance",
    "LimitError",
    "MultipartError",
    "PackEntry",
    "PackFormatError",
    "PackPlan",
    "PackedInstance",
    "Payload",
    "Refusal",
    "RelatedPart",
    "RelatedReader",
    "StoreReader",
    "attributes",
    "copy_into",
    "dataset_offset",
    "gzip_frame",
    "pack_directory_length",
    "plan_pack",
    "read_cached",
    "read_pack_directory",
    "strict_fault",
]

class MultipartError(ValueError):
    """The body is not a readable multipart message (RFC 2046 5.1.1), or ends too early. -> 400."""

class LimitError(ValueError):
    """A limit of `StoreReader` was passed; the text names it with its unit. -> 413."""

class ForeignPartError(ValueError):
    """There are parts, and not one of them is application/dicom. -> 415."""

class PackFormatError(ValueError):
    """The bytes are not a pack's directory, or a pack cannot be laid out as asked."""

@final
class Attribute:
    """One row of the table of searchable attributes (PS3.18 Table 10.6.1-5 and the model's)."""

    @property
    def tag(self) -> int: ...
    @property
    def keyword(self) -> str: ...
    @property
    def vr(self) -> str: ...
    @property
    def level(self) -> str:
        """`STUDY`, `SERIES` or `IMAGE` (PS3.4 C.6)."""
    @property
    def is_matched(self) -> bool:
        """True if the attribute has a typed column; False if it is only returned."""

def attributes() -> list[Attribute]:
    """Returns the whole table, by level, then in column order."""

@final
class PackEntry:
    """What a pack needs to know of one instance."""

    def __new__(
        cls,
        *,
        study_uid: str,
        series_uid: str,
        sop_instance_uid: str,
        length: int,
        crc32: int,
        segment: bytes,
        segment_crc32: int,
        segment_plain_length: int,
    ) -> PackEntry: ...
    @property
    def study_uid(self) -> str: ...
    @property
    def series_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def length(self) -> int:
        """Bytes of the Part 10 file."""
    @property
    def crc32(self) -> int: ...
    @property
    def segment(self) -> bytes:
        """The instance's DICOM JSON object: raw deflate, byte-aligned, ended by a full flush."""
    @property
    def segment_crc32(self) -> int:
        """CRC-32 of the plain JSON."""
    @property
    def segment_plain_length(self) -> int:
        """Bytes of the plain JSON."""

@final
class PackPlan:
    """Where everything goes in a pack: header, payload, header, payload, ..., tail."""

    @property
    def headers(self) -> list[bytes]:
        """N ZIP local headers, one before each payload."""
    @property
    def payload_offsets(self) -> list[int]:
        """N offsets in the pack, in bytes."""
    @property
    def segment_offsets(self) -> list[int]:
        """N offsets in the pack, in bytes."""
    @property
    def tail(self) -> bytes:
        """metadata.json, central directory, end records."""
    @property
    def length(self) -> int:
        """Bytes of the whole pack."""

DEFAULT_PARTITION_NAME: str
"""The partition of whatever names none."""

def plan_pack(
    entries: Sequence[PackEntry],
    *,
    partition_names: Sequence[str] = ...,
    first_payload_offset: int | None = None,
) -> PackPlan:
    """Lays out a pack.

    Args:
        entries: n instances, at least one, in the order in which they will be written.
        partition_names: Theirs; entries without one are in the default partition. Others lie in
            the ZIP's folder `partitions/{name}/`.
        first_payload_offset: Pads the first header so that its payload begins there; for a
            payload that was streamed before its length was known.

    Raises:
        PackFormatError: No entries, or the first header does not fit.
    """

@final
class PackedInstance:
    """One instance as a pack's central directory has it."""

    @property
    def partition_name(self) -> str: ...
    @property
    def study_uid(self) -> str: ...
    @property
    def series_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def payload_offset(self) -> int: ...
    @property
    def payload_length(self) -> int: ...
    @property
    def crc32(self) -> int: ...
    @property
    def segment_offset(self) -> int: ...
    @property
    def segment_length(self) -> int: ...
    @property
    def segment_plain_length(self) -> int: ...
    @property
    def segment_crc32(self) -> int: ...

def pack_directory_length(end: bytes, *, pack_length: int) -> int:
    """Returns how many bytes at the pack's end hold its directory.

    Args:
        end: The last bytes of the pack; 22 to 66,000 of them, or the whole pack if smaller.

    Raises:
        PackFormatError: No end-of-central-directory record.
    """

def read_pack_directory(directory: bytes, *, pack_length: int) -> list[PackedInstance]:
    """Reads the last `pack_directory_length` bytes of a pack; instances in pack order.

    Raises:
        PackFormatError: The bytes are not such a directory, or contradict themselves.
    """

GZIP_SEPARATOR: bytes
"""What goes between two segments: one `,` as a stored deflate block."""

def gzip_frame(segments: Sequence[tuple[int, int]]) -> tuple[bytes, bytes]:
    """Returns what goes before and behind n stitched segments to make one gzip member.

    Args:
        segments: n pairs (segment_crc32, segment_plain_length), at least one, in order.

    Returns:
        Head (gzip header and `[`) and tail (`]`, final block, CRC-32, length). Between the segments
        goes `GZIP_SEPARATOR`.
    """

@final
class ExtendedTags:
    """A list of extended query tags (the model's), found in what is stored besides the table's."""

    def __new__(cls, version: int, tags: Sequence[tuple[int, str, str | None]]) -> ExtendedTags:
        """Makes a list.

        Args:
            version: Tells it from those before and behind it; above 0.
            tags: n triples of tag, VR and private creator. Of a private element's tag the block
                does not count: it is the one that the creator reserves, file by file.

        Raises:
            ValueError: A VR is none of PS3.5 6.2.
        """
    @property
    def version(self) -> int: ...
    def read(self, segment: bytes, *, plain_length: int, crc32: int) -> bytes | None:
        """Finds the tags in an instance's metadata.

        Args:
            segment: As in `PackEntry`; the others likewise.

        Returns:
            A JSON array of n elements, `null` for those that are absent or empty, in the tags'
            order; None if all are.

        Raises:
            PackFormatError: The segment is damaged.
        """

def strict_fault(vr: str, value: str) -> str | None:
    """Returns what v1's rules have against a value, or None; the text does not hold it.

    Args:
        value: One value, without padding.

    Raises:
        ValueError: The VR is none of PS3.5 6.2.
    """

@final
class Instance:
    """One instance that can be stored: what the index and the pack need of it."""

    @property
    def study_uid(self) -> str: ...
    @property
    def series_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def sop_class_uid(self) -> str: ...
    @property
    def transfer_syntax_uid(self) -> str: ...
    @property
    def pack_entry(self) -> PackEntry: ...
    @property
    def length(self) -> int:
        """Bytes of the Part 10 file."""
    @property
    def segment_length(self) -> int:
        """Bytes of the deflated metadata."""
    @property
    def segment_plain_length(self) -> int: ...
    @property
    def segment_crc32(self) -> int: ...
    def describes_as(self, other: Instance) -> bool:
        """True if both are of one series, and say the same of it and of its study."""
    def take_pieces(self) -> list[bytes | memoryview]:
        """Hands out the file, as n buffers one behind the other, and lets go of it.

        Empty the second time, and for what was streamed: that came as `Payload`.
        """
    @property
    def study_values(self) -> tuple[str | None, ...]:
        """First value of each matched attribute of level STUDY, in table order; None if absent."""
    @property
    def series_values(self) -> tuple[str | None, ...]: ...
    @property
    def instance_values(self) -> tuple[str | None, ...]: ...
    @property
    def study_json(self) -> bytes:
        """DICOM JSON object of all the table's STUDY attributes that have a value."""
    @property
    def series_json(self) -> bytes: ...
    @property
    def extended_version(self) -> int:
        """The version of the extended query tags that were looked for; 0 if none were."""
    @property
    def extended_json(self) -> bytes | None:
        """Their elements, as `ExtendedTags.read` returns them."""
    @property
    def has_bulkdata_uri(self) -> bool:
        """True if the metadata holds a BulkDataURI, which must be made absolute when served."""
    @property
    def frame_count(self) -> int | None:
        """Frames that can be read by range; None without pixel data or where they are unknown."""
    @property
    def pixel_offset(self) -> int | None:
        """Native pixel data: offset of its value in the Part 10 file, in bytes."""
    @property
    def frame_bits(self) -> int | None:
        """Native pixel data: bits from one frame to the next."""
    @property
    def frame_table(self) -> bytes | None:
        """Encapsulated pixel data: 12 bytes a frame, see `FRAME_TABLE_ENTRY_BYTES`."""
    @property
    def is_implicit_vr(self) -> bool: ...
    @property
    def is_multivalued(self) -> bool:
        """True if an indexed attribute has several values, of which the first is indexed."""
    @property
    def warnings(self) -> list[str]:
        """`DICOM100: (gggg,eeee) - ...` texts; no attribute values in them."""

def dataset_offset(head: bytes) -> int | None:
    """Returns where the data set begins in a Part 10 file whose first bytes are given.

    None if it is not among them. Offsets of deflated instances count as if the file were inflated
    in place, from there on.
    """

FRAME_TABLE_ENTRY_BYTES: int
"""12: offset (6 bytes, little endian) of the first fragment's item header in the Part 10 file, and
length (6 bytes) from there to the end of the frame's last fragment."""

@final
class Refusal:
    """One part that is not stored, and why (PS3.18 Table I.2-2)."""

    @property
    def sop_class_uid(self) -> str | None: ...
    @property
    def sop_instance_uid(self) -> str | None: ...
    @property
    def failure_reason(self) -> int: ...
    @property
    def comments(self) -> list[str]:
        """`DICOM100: (gggg,eeee) - ...` texts for FailedAttributesSequence; may be empty."""
    @property
    def detail(self) -> str:
        """One sentence for the log; no attribute value."""

@final
class Payload:
    """Bytes of the current part, which is too long to be kept whole."""

    @property
    def pieces(self) -> list[bytes | memoryview]:
        """N buffers, one behind the other."""

@final
class StoreReader:
    """Splits one Store body and reads its instances while it arrives (PS3.18 10.5)."""

    def __new__(
        cls,
        *,
        boundary: bytes | None,
        root_type: str | None,
        study_uid: str | None,
        is_strict: bool,
        part_bytes_max: int,
        part_count_max: int,
        part_header_bytes_max: int,
        inline_bytes_max: int,
        inflated_bytes_max: int,
        extended_tags: ExtendedTags | None = None,
    ) -> StoreReader:
        """Begins a body.

        Args:
            boundary: The multipart boundary, or None for a body that is one Part 10 file.
            root_type: The request's `type` parameter, which the first part inherits.
            study_uid: Refuse instances of other studies.
            is_strict: Refuse invalid indexed attributes (v1) instead of dropping them (v2).
            part_bytes_max: Longest Part 10 file, in bytes.
            inline_bytes_max: Longer binary values become a BulkDataURI in the metadata.
            inflated_bytes_max: Most bytes that a deflated data set may become.
            extended_tags: What else to find in each instance, and to refuse where it is invalid if
                `is_strict`.

        Raises:
            MultipartError: The boundary is not 1 to 256 printable ASCII characters.
        """
    def feed(
        self, chunk: bytes, *, part_bytes_max_in_memory: int
    ) -> list[Payload | Instance | Refusal]:
        """Accepts the next chunk; an Instance or Refusal ends the part whose payload came before.

        The chunk is not copied: the reader keeps it as long as a piece of it is wanted.

        Args:
            part_bytes_max_in_memory: Where the current part keeps more memory than this, what came
                of it is handed out as Payload, and what comes until it ends likewise.

        Raises:
            MultipartError, LimitError, ForeignPartError: The body ends here.
        """
    def finish(self) -> list[Payload | Instance | Refusal]:
        """Ends the body.

        Raises:
            MultipartError: The closing delimiter never came.
        """
    @property
    def part_bytes(self) -> int:
        """Memory that the current part keeps, in bytes, with what its pieces cost themselves."""

def copy_into(target: Buffer, offset: int, pieces: Sequence[Buffer]) -> int:
    """Copies n buffers into one, from `offset` on, without the GIL; returns where they end.

    Nobody else may read or write `target` meanwhile.

    Raises:
        ValueError: They do not fit.
        BufferError: The target is read-only, or a buffer is not contiguous bytes.
    """

def read_cached(path: str, offset: int, length: int, head: bytes, tail: bytes) -> bytes | None:
    """Returns a range of a file between two texts, if the page cache has all of it.

    Returns:
        None where a disk would have to be waited for, or the file is not there or too short;
        another way of reading will tell.

    Raises:
        OSError: The file system cannot tell; it never will.
    """

@final
class RelatedPart:
    """One part of a multipart body, whole (RFC 2387)."""

    @property
    def content_type(self) -> str | None:
        """The header's value as sent; None without the header."""
    @property
    def content_location(self) -> str | None: ...
    @property
    def content_id(self) -> str | None:
        """As sent, angle brackets included."""
    @property
    def content(self) -> bytes: ...

@final
class RelatedReader:
    """Collects the parts of a body whose parts refer to one another."""

    def __new__(
        cls,
        *,
        boundary: bytes,
        bytes_max: int,
        part_count_max: int,
        part_header_bytes_max: int,
    ) -> RelatedReader:
        """Begins a body.

        Args:
            bytes_max: Most bytes of all parts together.

        Raises:
            MultipartError: The boundary is not 1 to 256 printable ASCII characters.
        """
    def feed(self, chunk: bytes) -> list[RelatedPart]:
        """Accepts the next chunk; returns the parts that it completes.

        Raises:
            MultipartError, LimitError: The body ends here.
        """
    def finish(self) -> None:
        """Ends the body.

        Raises:
            MultipartError: The closing delimiter never came.
        """
    @property
    def byte_count(self) -> int:
        """Bytes of all parts so far, which are in memory."""
