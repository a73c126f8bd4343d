"""Search: one page of studies, series or instances in one round trip.

The statement is one of `queries/search.sql` with its conditions composed; what a result holds
beyond the rows is left to `services/search_fields.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from psycopg.rows import dict_row

from longshore.index.search_match import Level
from longshore.index.search_rows import (
    ROW_TAGS,
    SERIES_TAGS,
    STUDY_COUNTS,
    STUDY_TAGS,
    Found,
    RowReader,
)
from longshore.index.sql import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.index.database import Database
    from longshore.index.search_columns import Filter

_STATEMENTS: Final = load("search.sql")
_NAMES: Final = {
    Level.STUDY: "search_studies",
    Level.SERIES: "search_series",
    Level.IMAGE: "search_instances",
}
_ROWS_PER_TURN: Final = 32  # some 10 µs each: other requests get the event loop in between


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """Bounds of one Search."""

    results_default: int = 100
    results_max: int = 200
    segment_reads_max: int = 16  # at the same time, of one request


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to find and what to say of it.

    Attributes:
        level: Of the results.
        filters: What every result meets, on attributes of `level` or above. The UIDs of a path
            are filters as well.
        fields: Tags wanted in the results.
        limit: Results at most.
        skip: Results left out before the first.
    """

    level: Level
    partition_key: int
    filters: Sequence[Filter]
    fields: frozenset[int]
    limit: int
    skip: int = 0

    @property
    def metadata_fields(self) -> frozenset[int]:
        """The wanted tags that no row has: they are read from an instance's metadata."""
        return self.fields - ROW_TAGS


async def search(database: Database, query: SearchQuery) -> list[Found]:
    """Returns one page of results, newest first.

    The order is total, so pages neither repeat nor lose a result unless something is stored or
    deleted between them.

    Raises:
        Unavailable: The database does not answer.
    """
    statement, values = compose(query)
    reader = RowReader(query.level, query.fields)
    results: list[Found] = []
    async with database.connection() as connection, connection.cursor(row_factory=dict_row) as rows:
        # Not prepared: each search is planned for its own values. A plan for any values would
        # walk the newest rows even where one accession number leads straight to its study.
        await rows.execute(statement, values, prepare=False)
        while turn := await rows.fetchmany(_ROWS_PER_TURN):
            results += [reader.found(row) for row in turn]
            await asyncio.sleep(0)
    return results


def compose(query: SearchQuery) -> tuple[sql.Composed, dict[str, Any]]:
    """Returns the statement of a search and the values of its parameters."""
    values: dict[str, Any] = {
        "partition_key": query.partition_key,
        "limit": query.limit,
        "skip": query.skip,
        **_wants(query),
    }
    conditions: list[sql.Composable] = [sql.SQL("study.partition_key = %(partition_key)s")]
    for number, each in enumerate(query.filters):
        conditions.append(each.condition(name=f"match_{number}", values=values))
    template = sql.SQL(_STATEMENTS[_NAMES[query.level]])
    return template.format(conditions=sql.SQL(" AND ").join(conditions)), values


def _wants(query: SearchQuery) -> dict[str, bool]:
    """Returns which parts of the statement have work to do."""
    fields = query.fields
    above = STUDY_TAGS | SERIES_TAGS if query.level is Level.SERIES else STUDY_TAGS
    return {
        "wants_study": bool(fields & STUDY_TAGS),
        "wants_series": bool(fields & SERIES_TAGS),
        "wants_counts": bool(fields & STUDY_COUNTS),
        # An instance is its own newest; only its pack is looked up, and only for its metadata.
        "wants_newest": bool(fields - (ROW_TAGS if query.level is Level.IMAGE else above)),
    }
