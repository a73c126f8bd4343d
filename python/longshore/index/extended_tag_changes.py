"""Changes to the list of extended query tags: each is a transaction, one behind the other."""

from collections.abc import Sequence
from uuid import UUID

from longshore.errors import Conflict, InvalidRequest, NotFound
from longshore.index import sql
from longshore.index.database import Connection, Database
from longshore.index.extended_tags import ExtendedTag, read_tags

_SQL = sql.load("extended_tags.sql")

TAG_COUNT_MAX = 128
"""Extended query tags at most: each costs every Store a row (the model's limit)."""


class ReindexRunning(Conflict):
    """Other tags are being indexed. Wait for that operation, then ask again."""

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(
            f"There is already an active re-index operation with ID '{operation_id.hex}'."
        )
        self.operation_id = operation_id


async def add_tags(database: Database, tags: Sequence[ExtendedTag], operation_id: UUID) -> None:
    """Adds n tags, at least one, and asks for what is stored to be indexed.

    From now on whatever is stored is indexed by them.

    Args:
        tags: Their keys do not matter.
        operation_id: A new one.

    Raises:
        ReindexRunning: Other tags are being indexed.
        Conflict: One of them is there already.
        InvalidRequest: There would be more than `TAG_COUNT_MAX`.
    """
    parameters = {
        "operation_id": operation_id,
        "paths": [each.path for each in tags],
        "vrs": [each.vr for each in tags],
        "private_creators": [each.private_creator for each in tags],
        "levels": [each.level for each in tags],
    }
    async with database.connection() as connection:
        async with connection.transaction():
            await connection.execute(_SQL["next_version"])
            running = await (await connection.execute(_SQL["running_reindex"])).fetchone()
            if running is not None:
                raise ReindexRunning(running[0])
            await _check_room(connection, [each.path for each in tags])
            await connection.execute(_SQL["insert_operation"], parameters)
            await connection.execute(_SQL["insert_tags"], parameters)
        await read_tags(database, connection)


async def _check_room(connection: Connection, paths: list[str]) -> None:
    row = await (await connection.execute(_SQL["known_paths"], {"paths": paths})).fetchone()
    tag_count, known_count = row if row is not None else (0, 0)
    if known_count:
        raise Conflict("One or more extended query tags already exist.")
    if tag_count + len(paths) > TAG_COUNT_MAX:
        raise InvalidRequest(
            f"Extended query tags exceeds max allowed count '{TAG_COUNT_MAX}'; delete one first."
        )


async def set_query_status(database: Database, *, path: str, query_status: str) -> ExtendedTag:
    """Lets a tag be searched by (`enabled`), or not (`disabled`).

    Raises:
        NotFound: There is no such tag.
    """
    parameters = {"path": path, "query_status": query_status}
    async with database.connection() as connection:
        row = await (await connection.execute(_SQL["set_query_status"], parameters)).fetchone()
        if row is None:
            raise no_such_tag(path)
        await read_tags(database, connection)
    return ExtendedTag(*row)


async def remove_tag(database: Database, *, path: str) -> None:
    """Removes a tag; its values and errors go in the background.

    Raises:
        NotFound: There is no such tag.
        InvalidRequest: It is being added.
    """
    async with database.connection() as connection:
        async with connection.transaction():
            await connection.execute(_SQL["next_version"])
            removed = await connection.execute(_SQL["remove_tag"], {"path": path})
            if await removed.fetchone() is None:
                only = {"path": path, "limit": 1, "skip": 0}
                rows = await (await connection.execute(_SQL["tags_page"], only)).fetchall()
                if not rows:
                    raise no_such_tag(path)
                raise InvalidRequest(f"The extended query tag '{path}' is being processed.")
        await read_tags(database, connection)


def no_such_tag(path: str) -> NotFound:
    """Returns the error for a path that no tag has."""
    return NotFound(f"The specified extended query tag with tag path {path} cannot be found.")
