"""The query string of a Search (PS3.18 8.3.4, 10.6.1.2) as the model reads it: strictly.

Nothing is ignored: what is not a known parameter is an attribute, and an attribute that cannot be
matched here is an error that says what can.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from longshore.dicomweb.search_attributes import SearchResource
from longshore.dicomweb.search_cursor import read_cursor
from longshore.dicomweb.search_filters import parse_filters
from longshore.dicomweb.search_names import parse_included, parse_order, shown
from longshore.dicomweb.search_values import Matching
from longshore.errors import InvalidRequest
from longshore.index.search import SearchLimits
from longshore.index.search_columns import MATCHED, Matched
from longshore.index.search_filters import Condition
from longshore.index.search_order import OrderBy, Position

_INTEGER_MAX: Final = 2**63 - 1  # PostgreSQL's bigint
_INTEGER: Final = re.compile(r"\d{1,19}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}
_OPTIONS: Final = (
    "limit",
    "offset",
    "fuzzymatching",
    "emptyvaluematching",
    "multiplevaluematching",
    "orderby",
    "cursor",
    "totalcount",
)
# They stand for headers (PS3.18 8.3.3.1, 8.3.3.2). media_types reads `accept`; JSON and XML are
# UTF-8, whatever `charset` wishes.
_ELSEWHERE: Final = ("accept", "charset")


@dataclass(frozen=True, slots=True)
class SearchParameters:
    """What a query string asks for.

    Attributes:
        filters: Conditions of the results; may be empty.
        matched: The tags of what was matched, universally too: they are returned.
        included: The tags of `includefield`.
        is_all: `includefield=all`.
        limit: At most what is served at once.
        skip: The parameter `offset`: results, not bytes.
        order: The parameter `orderby`, an extension; may be empty.
        behind: The parameter `cursor`, an extension: where the page begins.
        wants_total: The parameter `totalcount`, an extension.
    """

    filters: Sequence[Condition]
    matched: frozenset[int]
    included: frozenset[int]
    is_all: bool
    limit: int
    skip: int
    order: Sequence[OrderBy]
    behind: Position | None
    wants_total: bool


def parse_parameters(
    pairs: Iterable[tuple[str, str]],
    resource: SearchResource,
    limits: SearchLimits,
    matched: Mapping[int, Matched] = MATCHED,
) -> SearchParameters:
    """Reads the decoded parameters of a Search.

    Args:
        pairs: Keys and values in their order; white space around them means nothing.
        resource: Decides the attributes that may be matched.
        limits: Decide the default and the bound of `limit`.
        matched: What can be matched at all, by tag; of these the resource's levels.

    Raises:
        InvalidRequest: The first thing that is wrong, and what is accepted instead.
    """
    options: dict[str, str] = {}
    include_lists: list[str] = []
    filters: dict[str, str] = {}
    for key, value in ((key.strip(), value.strip()) for key, value in pairs):
        option = key.lower()
        if option == "includefield":
            include_lists.append(value)
        elif option in _OPTIONS:
            _add_once(options, option, value)
        elif option not in _ELSEWHERE:
            _add_once(filters, key, value)
    included, is_all = parse_included(include_lists)
    accepted = {tag: each for tag, each in matched.items() if each.level in resource.matched_levels}
    order = parse_order(options.get("orderby"), resource, accepted)
    if "cursor" in options and "offset" in options:
        raise InvalidRequest("Invalid query: cursor and offset exclude each other; give one.")
    matching = Matching(
        is_fuzzy=_boolean(options, "fuzzymatching"),
        has_empty_values=_boolean(options, "emptyvaluematching"),
        has_multiple_values=_boolean(options, "multiplevaluematching"),
    )
    found = parse_filters(filters, resource, accepted, matching)
    return SearchParameters(
        filters=found.conditions,
        matched=found.tags,
        included=included,
        is_all=is_all,
        limit=min(
            _integer(options, "limit", limits.results_default, 1, _INTEGER_MAX), limits.results_max
        ),
        skip=_integer(options, "offset", 0, 0, _INTEGER_MAX),
        order=order,
        behind=read_cursor(options["cursor"], order) if "cursor" in options else None,
        wants_total=_boolean(options, "totalcount"),
    )


def _add_once(parameters: dict[str, str], key: str, value: str) -> None:
    if key in parameters:
        raise InvalidRequest(
            f"Invalid query: {shown(key)} is given more than once; each parameter but"
            " includefield may be given once."
        )
    parameters[key] = value


def _integer(
    options: Mapping[str, str], name: str, default: int, smallest: int, largest: int
) -> int:
    text = options.get(name)
    if text is None:
        return default
    number = int(text) if _INTEGER.fullmatch(text) else -1
    if not smallest <= number <= largest:
        raise InvalidRequest(
            f"The query parameter '{name}' is invalid: expected a whole number from {smallest}"
            f" to {largest}."
        )
    return number


def _boolean(options: Mapping[str, str], name: str) -> bool:
    value = _BOOLEANS.get(options.get(name, "false").lower())
    if value is None:
        raise InvalidRequest(f"The query parameter '{name}' is invalid: true or false.")
    return value
