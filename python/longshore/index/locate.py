"""Where instances, their metadata and their frames lie."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from longshore.errors import NotFound
from longshore.extent import Extent, pack_blob
from longshore.index import sql
from longshore.index.arrays import array, byte_strings
from longshore.index.ask import ask
from longshore.index.database import Database
from longshore.index.pipeline import Step
from longshore.index.rows import as_unsigned

_SQL = sql.load("locate.sql")

_FOUND_ONE: Final = "WITH found AS (" + _SQL["one_instance"] + ")"
_ONE: Final = sql.prepared("locate.one", _FOUND_ONE + _SQL["located"])
_FRAMES: Final = sql.prepared("locate.frames", _FOUND_ONE + _SQL["located_frames"])
# Of the columns of `located`, in their order.
_READERS: Final[Sequence[Callable[[bytes], Any]]] = (
    int,
    *(bytes.decode,) * 5,
    *(int,) * 6,
    b"t".__eq__,
    int,
    int,
)

_ENTRY_BYTES = 12
_FRAME_NUMBER_MAX = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Located:
    """One instance and where its bytes are.

    Attributes:
        instance_key: Names this version of the instance; another Store of it has another key.
        payload: The Part 10 file.
        segment: The metadata, deflated.
        segment_plain_length: Bytes of the metadata, inflated.
        segment_crc32: Of the metadata, inflated; unsigned.
        has_bulkdata_uri: The metadata must be rewritten before it is served.
        frame_count: Frames that can be read by range; None if there are none.
    """

    instance_key: int
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    payload: Extent
    segment: Extent
    segment_plain_length: int
    segment_crc32: int
    has_bulkdata_uri: bool
    frame_count: int | None
    bits_allocated: int | None


@dataclass(frozen=True, slots=True)
class FrameSource:
    """Where n frames of an instance lie, in the order asked.

    Attributes:
        pixel_offset: Native: where the pixel data's value begins in the payload, in bytes.
        frame_bits: Native: bits from one frame to the next.
        frame_indices: Native: n 0-based indices.
        extents: Encapsulated: n pairs of offset in the payload and length, in bytes, item headers
            included.
    """

    located: Located
    is_native: bool
    pixel_offset: int = 0
    frame_bits: int = 0
    frame_indices: Sequence[int] = ()
    extents: Sequence[tuple[int, int]] = ()


async def locate(
    database: Database,
    *,
    partition_key: int,
    study_uid: str,
    series_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> list[Located]:
    """Locates the instances of a study, a series or one instance, by series and instance number.

    Series are in the order in which they were first stored; instances without a number come last.

    Returns:
        n instances, at least one.

    Raises:
        NotFound: Nothing of that name; the text says of which level.
    """
    parameters = {
        "partition_key": partition_key,
        "study_uid": study_uid,
        "series_uid": series_uid,
        "sop_instance_uid": sop_instance_uid,
    }
    rows = await _rows(database, parameters)
    if not any(row[0] is not None for row in rows):
        raise missing(rows, parameters)
    return [located_from(study_uid, row) for row in rows if row[0] is not None]


async def locate_frames(
    database: Database,
    *,
    partition_key: int,
    study_uid: str,
    series_uid: str,
    sop_instance_uid: str,
    frame_numbers: Sequence[int],
) -> FrameSource:
    """Locates frames of one instance; what it costs does not depend on how many it has.

    Args:
        frame_numbers: n numbers, 1-based, in the order in which they are wanted; may repeat.

    Raises:
        NotFound: No such instance, no frames in it, or not so many.
    """
    parameters = {
        "partition_key": partition_key,
        "study_uid": study_uid,
        "series_uid": series_uid,
        "sop_instance_uid": sop_instance_uid,
        # A number that no instance reaches need not fit into a bigint either.
        "frame_numbers": array([min(number, _FRAME_NUMBER_MAX) for number in frame_numbers]),
    }
    rows = await ask(database, Step(_FRAMES, parameters))
    row = _typed(rows[0]) if rows else None
    if row is None or row[0] is None:
        raise missing([row] if row else [], parameters)
    located = located_from(study_uid, row)
    count = located.frame_count or 0
    if not all(1 <= number <= count for number in frame_numbers):
        raise not_found("frame")
    pixel_offset, frame_bits, entries = rows[0][-3:]
    if pixel_offset is not None:
        indices = [number - 1 for number in frame_numbers]
        return FrameSource(located, True, int(pixel_offset), int(frame_bits or 0), indices)
    return FrameSource(located, False, extents=[entry_from(each) for each in byte_strings(entries)])


async def _rows(database: Database, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """Returns the rows of `located`.

    One instance is what viewers ask for all day: its statement is sent without psycopg's adapting,
    which takes longer than PostgreSQL does. Of many rows psycopg's reading is the faster one.
    """
    if parameters["sop_instance_uid"] is not None:
        return [_typed(row) for row in await ask(database, Step(_ONE, parameters))]
    statement = "WITH found AS (" + instances_found(parameters) + ") " + _SQL["located"]
    async with database.connection() as connection:
        return await (await connection.execute(statement, parameters)).fetchall()


def _typed(row: Sequence[bytes | None]) -> list[Any]:
    """Returns a row of `located` as psycopg would."""
    return [
        None if value is None else read(value) for read, value in zip(_READERS, row, strict=False)
    ]


def instances_found(parameters: Mapping[str, Any]) -> LiteralString:
    """Returns the query for the rows of a study, a series or one instance.

    A query for each level, so that each has a plan of its own.
    """
    if parameters["sop_instance_uid"] is not None:
        return _SQL["one_instance"]
    if parameters["series_uid"] is not None:
        return _SQL["series_instances"]
    return _SQL["study_instances"]


def not_found(level: str) -> NotFound:
    """Returns the error for a study, series, instance or frame that is not there."""
    return NotFound(f"The specified {level} cannot be found.")


def located_from(study_uid: str, row: Sequence[Any]) -> Located:
    """Reads a row of `located`."""
    blob = pack_blob(row[5])
    return Located(
        instance_key=row[0],
        study_uid=study_uid,
        series_uid=row[1],
        sop_instance_uid=row[2],
        sop_class_uid=row[3],
        transfer_syntax_uid=row[4],
        payload=Extent(blob, row[6], row[7]),
        segment=Extent(blob, row[8], row[9]),
        segment_plain_length=row[10],
        segment_crc32=as_unsigned(row[11]),
        has_bulkdata_uri=row[12],
        frame_count=row[13],
        bits_allocated=row[14],
    )


def missing(rows: Sequence[Sequence[Any]], parameters: Mapping[str, Any]) -> NotFound:
    """Returns the error for rows of `located` without an instance."""
    if not rows:
        return not_found("study")
    if rows[0][1] is None:
        return not_found("series")
    return not_found("series" if parameters["sop_instance_uid"] is None else "instance")


def entry_from(entry: bytes) -> tuple[int, int]:
    """Reads one entry of a frame table: offset and length, six bytes each."""
    half = _ENTRY_BYTES // 2
    return int.from_bytes(entry[:half], "little"), int.from_bytes(entry[half:], "little")
