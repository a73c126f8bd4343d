"""Where the pixel data of many instances lie."""

from collections.abc import Sequence

from longshore.errors import NotFound
from longshore.index import sql
from longshore.index.database import Database
from longshore.index.locate import (
    FrameSource,
    entry_from,
    instances_found,
    located_from,
    missing,
)

_SQL = sql.load("locate.sql")
_ENTRY_BYTES = 12


async def locate_pixels(
    database: Database,
    *,
    partition_key: int,
    study_uid: str,
    series_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> list[FrameSource]:
    """Locates the pixel data of a study, a series or one instance, in the order of `locate`.

    Returns:
        n sources of all frames, at least one; instances without frames are left out.

    Raises:
        NotFound: Nothing of that name, or no frames in it.
    """
    parameters = {
        "partition_key": partition_key,
        "study_uid": study_uid,
        "series_uid": series_uid,
        "sop_instance_uid": sop_instance_uid,
    }
    statement = (
        "WITH found AS (" + instances_found(parameters) + "), "
        "located AS (" + _SQL["located"] + ") " + _SQL["located_pixels"]
    )
    async with database.connection() as connection:
        rows = await (await connection.execute(statement, parameters)).fetchall()
    if not any(row[0] is not None for row in rows):
        raise missing(rows, parameters)
    sources: list[FrameSource] = []
    for row in rows:
        pixel_offset, frame_bits, frame_table = row[-3:]
        if row[0] is None or not row[13]:
            continue
        located = located_from(study_uid, row)
        if pixel_offset is not None:
            indices = range(located.frame_count or 0)
            sources.append(FrameSource(located, True, pixel_offset, frame_bits, indices))
        else:
            sources.append(FrameSource(located, False, extents=_entries(frame_table or b"")))
    if not sources:
        raise NotFound("The specified pixel data cannot be found.")
    return sources


def _entries(frame_table: bytes) -> Sequence[tuple[int, int]]:
    return [
        entry_from(frame_table[at : at + _ENTRY_BYTES])
        for at in range(0, len(frame_table), _ENTRY_BYTES)
    ]
