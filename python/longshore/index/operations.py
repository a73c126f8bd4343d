"""Operations (the model's): work in the background that a client asked for, and how far it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from longshore.index import sql
from longshore.index.database import Database

_SQL = sql.load("operations.sql")


@dataclass(frozen=True, slots=True)
class Operation:
    """Work in the background that a client asked for.

    Attributes:
        operation_type: `reindex`, `update` or `export`.
        status: `notStarted`, `running`, `succeeded`, `failed` or `canceled`.
        paths: Of the extended query tags that it indexes.
        percent_complete: 0 to 100.
    """

    operation_type: str
    status: str
    created_at: datetime
    updated_at: datetime
    paths: Sequence[str]
    results: Mapping[str, Any] | None
    percent_complete: int

    @property
    def is_running(self) -> bool:
        """True if it is not done."""
        return self.status in ("notStarted", "running")


async def find_operation(database: Database, operation_id: UUID) -> Operation | None:
    """Returns an operation; None if there never was one of that id."""
    parameters = {"operation_id": operation_id}
    async with database.connection() as connection:
        row = await (await connection.execute(_SQL["operation"], parameters)).fetchone()
    return None if row is None else Operation(*row)
