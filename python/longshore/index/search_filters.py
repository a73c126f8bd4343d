"""Filters: conditions on the results of a Search, each of one attribute or of several together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final, Protocol

from psycopg import sql

from longshore.index.search_columns import MATCHED, Matched
from longshore.index.search_match import DateTimeRange, Match, Range

# Dates with the time that belongs to them, of what can be matched.
_MOMENTS: Final[Mapping[int, int]] = {0x00080020: 0x00080030, 0x00400244: 0x00400245}


class Condition(Protocol):
    """What a filter must be."""

    @property
    def tags(self) -> frozenset[int]:
        """What a result returns because it was asked for."""
        ...

    def condition(self, *, name: str, values: dict[str, Any]) -> sql.Composable:
        """Returns the SQL condition.

        Args:
            name: Prefix for parameter names, one that no other condition has.
            values: Gets the parameters' values.
        """
        ...


@dataclass(frozen=True, slots=True)
class Filter:
    """One attribute and what it must meet."""

    attribute: Matched
    match: Match

    @property
    def tags(self) -> frozenset[int]:
        """The attribute."""
        return frozenset({self.attribute.tag})

    def condition(self, *, name: str, values: dict[str, Any]) -> sql.Composable:
        """Returns the SQL condition; as `Matched.condition`."""
        return self.attribute.condition(self.match, name=name, values=values)


@dataclass(frozen=True, slots=True)
class DateTimeFilter:
    """A date and a time that must lie in a range together: both are read as one moment."""

    day: Matched
    time_of_day: Matched
    match: DateTimeRange

    @property
    def tags(self) -> frozenset[int]:
        """Both attributes."""
        return frozenset({self.day.tag, self.time_of_day.tag})

    def condition(self, *, name: str, values: dict[str, Any]) -> sql.Composable:
        """Returns the SQL condition; as `Matched.condition`.

        A study without a time is found if its date is enough to say so.
        """
        tests: list[sql.Composable] = []
        at_least, at_most = sql.SQL(">="), sql.SQL("<=")
        ends = (self.match.first, at_least, "first"), (self.match.last, at_most, "last")
        for end, operator, suffix in ends:
            if end is None:
                continue
            day, time_of_day = f"{name}_{suffix}_day", f"{name}_{suffix}_time"
            values |= {day: end.date(), time_of_day: end.time()}
            # The day by itself as well: an index has it.
            tests.append(
                sql.SQL("{day} {operator} {a} AND ({day}, {time}) {operator} ({a}, {b})").format(
                    day=self.day.key.column,
                    time=self.time_of_day.key.column,
                    operator=operator,
                    a=sql.Placeholder(day),
                    b=sql.Placeholder(time_of_day),
                )
            )
        return sql.SQL(" AND ").join(tests)


def combined(filters: Iterable[Filter]) -> list[Condition]:
    """Returns the filters with the ranges of a date and its time made one (PS3.4 C.2.2.2.5).

    Both must have the same ends: 20260705-20260707 and 1000-1800 means from 10:00 on the 5th to
    18:00 on the 7th. Otherwise each is matched on its own.
    """
    by_tag: dict[int, Condition] = {each.attribute.tag: each for each in filters}
    for day_tag, time_tag in _MOMENTS.items():
        match = _moments(by_tag.get(day_tag), by_tag.get(time_tag))
        if match is not None:
            del by_tag[time_tag]
            by_tag[day_tag] = DateTimeFilter(MATCHED[day_tag], MATCHED[time_tag], match)
    return list(by_tag.values())


def _moments(day: Condition | None, time_of_day: Condition | None) -> DateTimeRange | None:
    if not isinstance(day, Filter) or not isinstance(time_of_day, Filter):
        return None
    days, times = day.match, time_of_day.match
    if not isinstance(days, Range) or not isinstance(times, Range):
        return None
    have_first = days.first is not None, times.first is not None
    have_last = days.last is not None, times.last is not None
    if have_first[0] != have_first[1] or have_last[0] != have_last[1]:
        return None
    return DateTimeRange(_moment(days.first, times.first), _moment(days.last, times.last))


def _moment(day: date | time | None, time_of_day: date | time | None) -> datetime | None:
    if isinstance(day, date) and isinstance(time_of_day, time):
        return datetime.combine(day, time_of_day)
    return None
