"""The filters of a Search: which attribute each parameter names, and what it must meet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Final

from longshore.dicomweb.search_attributes import SearchResource, path_of
from longshore.dicomweb.search_names import ATTRIBUTE_NAMES, keywords, shown
from longshore.dicomweb.search_values import Matching, invalid, parse_match
from longshore.errors import InvalidRequest
from longshore.index.search_columns import Matched
from longshore.index.search_filters import Condition, DateTimeFilter, Filter, combined
from longshore.index.search_items import MEMBERS, ItemFilter
from longshore.index.search_match import Empty, Match, Range

_BEGINS_LATE: Final = "the range ends before it begins"


@dataclass(frozen=True, slots=True)
class Filters:
    """What was asked.

    Attributes:
        conditions: Of the results; may be empty.
        tags: Everything that was named, which is returned: by universal matching too.
    """

    conditions: Sequence[Condition]
    tags: frozenset[int]


def parse_filters(
    given: Mapping[str, str],
    resource: SearchResource,
    matched: Mapping[int, Matched],
    matching: Matching,
) -> Filters:
    """Reads the parameters that are no options.

    Args:
        given: Values by name; the values without white space around them.
        resource: Decides the levels; named in errors.
        matched: What can be matched there, by tag.
        matching: How values are read.

    Raises:
        InvalidRequest: The first thing that is wrong, and what is accepted instead.
    """
    by_path: dict[tuple[int, ...], Matched] = {(tag,): each for tag, each in matched.items()}
    members = {
        path: each for path, each in MEMBERS.items() if each.level in resource.matched_levels
    }
    accepted = {**by_path, **members}
    named: dict[tuple[int, ...], Match | None] = {}
    for name, value in given.items():
        path = _path(name, resource, accepted)
        if path in named:
            raise InvalidRequest(
                f"Invalid query: {accepted[path].keyword} is given both by keyword and by tag; each"
                " attribute may be given once."
            )
        named[path] = parse_match(accepted[path], value, matching)
    matches = {path: match for path, match in named.items() if match is not None}
    plain = [Filter(by_path[path], match) for path, match in matches.items() if path in by_path]
    in_items = [(path, match) for path, match in matches.items() if path not in by_path]
    conditions = [*_in_order(combined(plain)), *_of_items(in_items)]
    return Filters(conditions, frozenset(path[0] for path in named))


def _path(
    name: str, resource: SearchResource, accepted: Mapping[tuple[int, ...], Matched]
) -> tuple[int, ...]:
    path = path_of(name)
    if path is None:
        raise InvalidRequest(
            f"Invalid query: {shown(name)} is no parameter and no attribute; {ATTRIBUTE_NAMES}."
        )
    if path not in accepted:
        raise InvalidRequest(
            f"Invalid query: {shown(name)} cannot be matched at {resource.path}; accepted:"
            f" {keywords(accepted.values())}."
        )
    return path


def _of_items(members: Sequence[tuple[tuple[int, ...], Match]]) -> list[Condition]:
    """Members are met by one item; but that none has a value is met by no item at all as well."""
    if not members:
        return []
    if all(isinstance(match, Empty) for _, match in members):
        return [Filter(MEMBERS[path], match) for path, match in members]
    return [ItemFilter(members)]


def _in_order(conditions: Iterable[Condition]) -> Iterable[Condition]:
    """Passes on what ends after it begins; a time may begin late in the range of its date.

    Raises:
        InvalidRequest: A range ends before it begins.
    """
    for each in conditions:
        match each:
            case DateTimeFilter(day=attribute, match=match):
                if _is_late(match.first, match.last):
                    raise invalid(attribute, _BEGINS_LATE)
            case Filter(attribute=attribute, match=Range(first=first, last=last)):
                if _is_late(first, last):
                    raise invalid(attribute, _BEGINS_LATE)
            case _:
                pass
        yield each


def _is_late(first: date | time | None, last: date | time | None) -> bool:
    """True if both ends are given, in the wrong order."""
    match first, last:
        case time(), time():
            return first > last
        case date(), date():
            return first > last
        case _:
            return False
