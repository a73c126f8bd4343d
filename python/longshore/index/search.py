"""Search: one page of studies, series or instances in one round trip.

The statement is one of `queries/search.sql` with its conditions composed; what a result holds
beyond the rows is left to `services/search_fields.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from psycopg.rows import dict_row

from longshore.index.search_match import Level
from longshore.index.search_order import Order, OrderBy, Position
from longshore.index.search_rows import (
    MODALITY,
    ROW_TAGS,
    SERIES_TAGS,
    STUDY_COUNTS,
    STUDY_TAGS,
    Found,
    RowReader,
)
from longshore.index.sql import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import LiteralString

    from psycopg import AsyncCursor

    from longshore.index.database import Database
    from longshore.index.search_filters import Condition

_STATEMENTS: Final = load("search.sql")
_PAGES: Final[Mapping[Level, LiteralString]] = {
    Level.STUDY: _STATEMENTS["search_studies"],
    Level.SERIES: _STATEMENTS["search_series"],
    Level.IMAGE: _STATEMENTS["search_instances"],
}
_COUNTS: Final[Mapping[Level, LiteralString]] = {
    Level.STUDY: _STATEMENTS["count_studies"],
    Level.SERIES: _STATEMENTS["count_series"],
    Level.IMAGE: _STATEMENTS["count_instances"],
}
_ROWS_PER_TURN: Final = 32  # some 10 µs each: other requests get the event loop in between


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """Bounds of one Search."""

    results_default: int = 100
    results_max: int = 5_000  # served of a higher `limit`
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
        order: The attribute that comes first in it first; all of them `is_ordered`. What these
            leave equal comes newest first.
        behind: The result that the page begins behind, in the same order.
        wants_total: Whether all results are counted.
        private_creators: Of those wanted tags that may lie in any block of their group: only
            group and last byte of the tag count.
    """

    level: Level
    partition_key: int
    filters: Sequence[Condition]
    fields: frozenset[int]
    limit: int
    skip: int = 0
    order: Sequence[OrderBy] = ()
    behind: Position | None = None
    wants_total: bool = False
    private_creators: Mapping[int, str] = field(default_factory=dict[int, str])

    @property
    def metadata_fields(self) -> frozenset[int]:
        """The wanted tags that no row has: they are read from an instance's metadata."""
        return self.fields - ROW_TAGS


@dataclass(frozen=True, slots=True)
class Page:
    """A page of results.

    Attributes:
        results: In the order of the query.
        last: The place of the last result if there are more behind it.
        total: How many results there are without `limit`, `skip` and `behind`, if it was asked.
    """

    results: list[Found]
    last: Position | None
    total: int | None


async def search(database: Database, query: SearchQuery) -> Page:
    """Returns one page of results.

    Raises:
        Unavailable: The database does not answer.
    """
    statement, values = compose(query)
    order = Order(query.level, query.order)
    reader = RowReader(query.level, query.fields)
    results: list[Found] = []
    last_row: dict[str, Any] = {}
    has_more = False
    async with database.connection() as connection, connection.cursor(row_factory=dict_row) as rows:
        # Not prepared: each search is planned for its own values. A plan for any values would
        # walk the newest rows even where one accession number leads straight to its study.
        await rows.execute(statement, values, prepare=False)
        while turn := await rows.fetchmany(_ROWS_PER_TURN):
            if len(results) + len(turn) > query.limit:
                turn.pop()  # one row more than asked: there is more
                has_more = True
            results += [reader.found(row) for row in turn]
            last_row = turn[-1] if turn else last_row
            await asyncio.sleep(0)
        total = await _total(rows, query) if query.wants_total else None
    return Page(results, order.position(last_row) if has_more else None, total)


async def _total(rows: AsyncCursor[dict[str, Any]], query: SearchQuery) -> int:
    statement, values = compose_count(query)
    await rows.execute(statement, values, prepare=False)
    row = await rows.fetchone()
    return row["count"] if row is not None else 0


def compose(query: SearchQuery) -> tuple[sql.Composed, dict[str, Any]]:
    """Returns the statement of a page and one row more, and the values of its parameters."""
    conditions, values = _conditions(query)
    values |= {"limit": query.limit + 1, "skip": query.skip, **_wants(query)}
    order = Order(query.level, query.order)
    if query.behind is not None:
        conditions.append(order.behind(query.behind, values=values))
    statement = sql.SQL(_PAGES[query.level]).format(
        conditions=sql.SQL(" AND ").join(conditions),
        order_columns=order.columns,
        order_names=order.names,
        order=order.terms,
    )
    return statement, values


def compose_count(query: SearchQuery) -> tuple[sql.Composed, dict[str, Any]]:
    """Returns the statement that counts all results, and the values of its parameters."""
    conditions, values = _conditions(query)
    statement = sql.SQL(_COUNTS[query.level])
    return statement.format(conditions=sql.SQL(" AND ").join(conditions)), values


def _conditions(query: SearchQuery) -> tuple[list[sql.Composable], dict[str, Any]]:
    values: dict[str, Any] = {"partition_key": query.partition_key}
    conditions: list[sql.Composable] = [sql.SQL("study.partition_key = %(partition_key)s")]
    for number, each in enumerate(query.filters):
        conditions.append(each.condition(name=f"match_{number}", values=values))
    return conditions, values


def _wants(query: SearchQuery) -> dict[str, bool]:
    """Returns which parts of the statement have work to do."""
    fields = query.fields
    own = {
        Level.STUDY: STUDY_TAGS | {MODALITY},
        Level.SERIES: STUDY_TAGS | SERIES_TAGS,
        # An instance is its own newest; only its pack is looked up, and only for its metadata.
        Level.IMAGE: ROW_TAGS,
    }
    counted = STUDY_COUNTS | {MODALITY} if query.level is Level.STUDY else STUDY_COUNTS
    return {
        "wants_study": bool(fields & STUDY_TAGS),
        "wants_series": bool(fields & SERIES_TAGS),
        "wants_counts": bool(fields & counted),
        "wants_newest": bool(fields - own[query.level]),
    }
