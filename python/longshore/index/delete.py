"""The Delete transaction: rows go at once, bytes later."""

from dataclasses import dataclass

from psycopg import errors as sql_errors

from longshore.errors import Unavailable
from longshore.index import sql
from longshore.index.database import Connection, Database
from longshore.index.locate import not_found

_SQL = sql.load("delete.sql")

TRIES_MAX = 8
"""How often a transaction is tried that lost against a deadlock."""


@dataclass(frozen=True, slots=True)
class DeadEntry:
    """An entry of a pack that lost its row."""

    pack_id: str
    payload_offset: int


async def delete(
    database: Database,
    *,
    partition_key: int,
    study_uid: str,
    series_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> list[DeadEntry]:
    """Deletes a study, a series or an instance for every reader, and tells the change feed.

    Returns:
        n entries of packs whose bytes are now of no use.

    Raises:
        NotFound: Nothing of that name; the text says of which level.
        Unavailable: It lost too often. Send the request again.
    """
    parameters = {
        "partition_key": partition_key,
        "study_uid": study_uid,
        "series_uid": series_uid,
        "sop_instance_uid": sop_instance_uid,
    }
    async with database.connection() as connection:
        for _ in range(TRIES_MAX):
            try:
                return await _transact(connection, parameters)
            except (sql_errors.DeadlockDetected, sql_errors.SerializationFailure):
                continue
    msg = "the deletion met too many other changes; send the request again"
    raise Unavailable(msg)


async def _transact(
    connection: Connection, parameters: dict[str, int | str | None]
) -> list[DeadEntry]:
    async with connection.transaction():
        study = await (await connection.execute(_SQL["lock_study"], parameters)).fetchone()
        if study is None:
            raise not_found("study")
        parameters = parameters | {"study_key": study[0]}
        gone = await (await connection.execute(_SQL["delete_instances"], parameters)).fetchall()
        if not gone:
            raise not_found(await _missing_level(connection, parameters))
        async with connection.pipeline():
            pack_keys = [row[2] for row in gone]
            lengths = [row[4] for row in gone]
            packs = {"pack_keys": pack_keys, "payload_lengths": lengths}
            await connection.execute(_SQL["lock_packs"], packs)
            await connection.execute(_SQL["count_packs"], packs)
            await connection.execute(_SQL["delete_empty_series"], parameters)
            await connection.execute(_SQL["delete_empty_study"], parameters)
            await connection.execute(
                _SQL["append_deletions"],
                {
                    "partition_key": parameters["partition_key"],
                    "instance_keys": [row[0] for row in gone],
                },
            )
    return [DeadEntry(row[1], row[3]) for row in gone]


async def _missing_level(connection: Connection, parameters: dict[str, int | str | None]) -> str:
    if parameters["sop_instance_uid"] is None:
        return "series"
    row = await (await connection.execute(_SQL["series_exists"], parameters)).fetchone()
    return "series" if row is None else "instance"
