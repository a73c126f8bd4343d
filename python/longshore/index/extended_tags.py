"""Extended query tags (the model's): the list of them, and how every process learns of changes.

The list has a version. A Store takes a shared advisory lock at the beginning of its transaction,
and reads the version behind it: if it is another than its instances were read under, their values
are read anew from their metadata, so that none is missed and none fails. Nobody takes that lock
exclusively, so that no Store ever waits for it: who indexes what was stored before waits until
those who held it when the tag was there already have let go of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from longshore.dicom import ExtendedTags
from longshore.index import sql
from longshore.index.database import Connection, Database
from longshore.index.search_match import Level

_SQL = sql.load("extended_tags.sql")

LEVELS: Final[Mapping[str, Level]] = {
    "study": Level.STUDY,
    "series": Level.SERIES,
    "instance": Level.IMAGE,
}


@dataclass(frozen=True, slots=True)
class ExtendedTag:
    """One extended query tag.

    Attributes:
        path: 8 upper-case hexadecimal digits.
        level: `study`, `series` or `instance`.
        status: `adding` or `ready`.
        query_status: `enabled` or `disabled`.
        error_count: Instances whose value could not be indexed.
        operation_id: Of the operation that adds it; None once it is ready.
    """

    tag_key: int
    path: str
    vr: str
    private_creator: str | None
    level: str
    status: str = "adding"
    query_status: str = "enabled"
    error_count: int = 0
    operation_id: UUID | None = None

    @property
    def tag(self) -> int:
        """The path as a number."""
        return int(self.path, 16)

    @property
    def is_searchable(self) -> bool:
        """True if it can be a filter."""
        return self.status == "ready" and self.query_status == "enabled"


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags whose values are indexed, as they were at one moment.

    Attributes:
        finder: Finds their elements in instances; in the tags' order.
    """

    version: int
    tags: tuple[ExtendedTag, ...]
    finder: ExtendedTags

    @classmethod
    def of(cls, version: int, tags: Sequence[ExtendedTag]) -> "TagList":
        """Returns a list."""
        finder = ExtendedTags(version, [(each.tag, each.vr, each.private_creator) for each in tags])
        return cls(version, tuple(tags), finder)


NO_TAGS: Final = TagList.of(0, [])

_known: WeakKeyDictionary[Database, TagList] = WeakKeyDictionary()


def known_tags(database: Database) -> TagList:
    """Returns the list as this process has read it last."""
    return _known.get(database, NO_TAGS)


async def read_tags(database: Database, connection: Connection | None = None) -> TagList:
    """Reads the list, and remembers it.

    Args:
        connection: Within whose transaction; None for none.
    """
    if connection is None:
        async with database.connection() as own:
            return await read_tags(database, own)
    rows = await (await connection.execute(_SQL["read_list"])).fetchall()
    tags = [ExtendedTag(*row[1:]) for row in rows if row[1] is not None]
    found = TagList.of(rows[0][0], tags)
    if found.version >= known_tags(database).version:
        _known[database] = found
    return found


async def tags_of_version(database: Database, connection: Connection, version: int) -> TagList:
    """Returns the list of this version, or of a later one; reads it if it is not known."""
    known = known_tags(database)
    return known if known.version == version else await read_tags(database, connection)


async def glance(database: Database) -> bool:
    """Reads the list if it has changed; returns whether there is work to do in the background."""
    async with database.connection() as connection:
        row = await (await connection.execute(_SQL["glance"])).fetchone()
        version, has_work = row if row is not None else (0, False)
        if version != known_tags(database).version:
            await read_tags(database, connection)
    return has_work


async def tags_page(
    database: Database, *, path: str | None = None, limit: int = 1, skip: int = 0
) -> list[ExtendedTag]:
    """Returns a page of tags as they are now, in the order in which they were added.

    Args:
        path: Of the only tag wanted.
    """
    parameters = {"path": path, "limit": limit, "skip": skip}
    async with database.connection() as connection:
        rows = await (await connection.execute(_SQL["tags_page"], parameters)).fetchall()
    return [ExtendedTag(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class TagError:
    """An instance whose value could not be indexed, and why; the message holds no value."""

    partition_name: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    created_at: datetime
    message: str


async def errors_page(database: Database, *, tag_key: int, limit: int, skip: int) -> list[TagError]:
    """Returns a page of a tag's errors, the oldest first."""
    parameters = {"tag_key": tag_key, "limit": limit, "skip": skip}
    async with database.connection() as connection:
        rows = await (await connection.execute(_SQL["errors_page"], parameters)).fetchall()
    return [TagError(*row) for row in rows]
