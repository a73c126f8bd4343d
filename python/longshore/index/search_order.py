"""In which order results come, and where the next page begins.

A page begins behind a result, not behind a number of results, so that what is stored meanwhile
neither shifts nor repeats any. Every order ends with the row's key, newest first: it is total.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, Final, TypeAlias

from psycopg import sql

from longshore.index.search_columns import TABLES, Matched
from longshore.index.search_match import Level

OrderValue: TypeAlias = str | int | date | time | None
"""A match key; None where the attribute has no value, which comes last either way."""

_ROW_KEYS: Final = {level: sql.Identifier(table, f"{table}_key") for level, table in TABLES.items()}


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One attribute that results are ordered by."""

    attribute: Matched
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """A result's place in its order.

    Attributes:
        values: One for each `OrderBy`.
        row_key: Of the study, series or instance.
    """

    values: tuple[OrderValue, ...] = field(repr=False)
    row_key: int


class Order:
    """The SQL of an order; each part belongs into one of the gaps of `queries/search.sql`."""

    def __init__(self, level: Level, by: Sequence[OrderBy]) -> None:
        """Composes the order.

        Args:
            level: Of the results.
            by: The attribute that comes first in the order first; may be empty.
        """
        self._by = by
        self._row_key = _ROW_KEYS[level]
        self._names = [f"order_{number}" for number in range(len(by))]

    @property
    def columns(self) -> sql.Composable:
        """What the page selects for the order, with names."""
        keys = [*(each.attribute.key.column for each in self._by), self._row_key]
        named = zip(keys, (*self._names, "row_key"), strict=True)
        columns = [sql.SQL("{} AS {}").format(key, sql.Identifier(name)) for key, name in named]
        return sql.SQL(", ").join(columns)

    @property
    def names(self) -> sql.Composable:
        """The names of these columns."""
        return sql.SQL(", ").join(map(sql.Identifier, (*self._names, "row_key")))

    @property
    def terms(self) -> sql.Composable:
        """What stands behind ORDER BY."""
        terms: list[sql.Composable] = []
        for each, name in zip(self._by, self._names, strict=True):
            direction = sql.SQL("DESC" if each.is_descending else "ASC")
            terms.append(sql.SQL("{} {} NULLS LAST").format(sql.Identifier(name), direction))
        return sql.SQL(", ").join([*terms, sql.SQL("row_key DESC")])

    def position(self, row: dict[str, Any]) -> Position:
        """Returns the place of a row."""
        return Position(tuple(row[name] for name in self._names), row["row_key"])

    def behind(self, position: Position, *, values: dict[str, Any]) -> sql.Composable:
        """Returns the condition that a row comes behind a position.

        Args:
            position: With a value for each `OrderBy`.
            values: Gets the parameters' values.
        """
        values["behind_key"] = position.row_key
        condition = sql.SQL("{} < %(behind_key)s").format(self._row_key)
        # From the last attribute to the first: behind in this one, or equal and behind in the rest.
        for each, name, value in reversed(
            list(zip(self._by, self._names, position.values, strict=True))
        ):
            column = each.attribute.key.column
            if value is None:
                condition = sql.SQL("({} IS NULL AND {})").format(column, condition)
                continue
            values[f"behind_{name}"] = value
            condition = sql.SQL("({0} {1} {2} OR {0} IS NULL OR ({0} = {2} AND {3}))").format(
                column,
                sql.SQL("<" if each.is_descending else ">"),
                sql.Placeholder(f"behind_{name}"),
                condition,
            )
        return condition
