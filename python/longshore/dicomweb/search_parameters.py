"""The query string of a Search (PS3.18 8.3.4, 10.6.1.2) as the model reads it: strictly.

Nothing is ignored: what is not a known parameter is an attribute, and an attribute that cannot be
matched here is an error that says what can.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from longshore.dicomweb.search_attributes import SearchResource, tag_of
from longshore.dicomweb.search_values import parse_match
from longshore.errors import InvalidRequest
from longshore.index.search import SearchLimits
from longshore.index.search_columns import MATCHED, Filter, Matched

_OFFSET_MAX: Final = 2**63 - 1  # PostgreSQL's bigint
_INTEGER: Final = re.compile(r"\d{1,19}", re.ASCII)
_SHOWN: Final = re.compile(r"[A-Za-z0-9]{1,64}")  # what may be repeated in an error text
_BOOLEANS: Final = {"true": True, "false": False}
# `accept` stands for the header (PS3.18 8.3.3.1); media_types reads it.
_ELSEWHERE: Final = "accept"


@dataclass(frozen=True, slots=True)
class SearchParameters:
    """What a query string asks for.

    Attributes:
        filters: In the order given; may be empty.
        included: The tags of `includefield`.
        is_all: `includefield=all`.
        skip: The parameter `offset`: results, not bytes.
    """

    filters: Sequence[Filter]
    included: frozenset[int]
    is_all: bool
    limit: int
    skip: int


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
        elif option in ("limit", "offset", "fuzzymatching"):
            _add_once(options, option, value)
        elif option != _ELSEWHERE:
            _add_once(filters, key, value)
    included, is_all = _included(include_lists)
    return SearchParameters(
        filters=_filters(
            filters, resource, _of_levels(matched, resource), is_fuzzy=_fuzzymatching(options)
        ),
        included=included,
        is_all=is_all,
        limit=_integer(options, "limit", limits.results_default, 1, limits.results_max),
        skip=_integer(options, "offset", 0, 0, _OFFSET_MAX),
    )


def _add_once(parameters: dict[str, str], key: str, value: str) -> None:
    if key in parameters:
        raise InvalidRequest(
            f"Invalid query: {_shown(key)} is given more than once; each parameter but"
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


def _fuzzymatching(options: Mapping[str, str]) -> bool:
    is_fuzzy = _BOOLEANS.get(options.get("fuzzymatching", "false").lower())
    if is_fuzzy is None:
        raise InvalidRequest("The query parameter 'fuzzymatching' is invalid: true or false.")
    return is_fuzzy


def _included(include_lists: Iterable[str]) -> tuple[frozenset[int], bool]:
    names = [name.strip() for text in include_lists for name in text.split(",")]
    if any(name.lower() == "all" for name in names):
        if len(names) > 1:
            raise InvalidRequest(
                "Invalid query: includefield=all stands alone; leave out the other fields, or all."
            )
        return frozenset(), True
    tags: set[int] = set()
    for name in names:
        tag = tag_of(name)
        if tag is None:
            raise InvalidRequest(
                f"Invalid query: includefield has {_shown(name)}, which is no attribute;"
                f" {_ATTRIBUTE_NAMES}, or all."
            )
        tags.add(tag)
    return frozenset(tags), False


def _of_levels(matched: Mapping[int, Matched], resource: SearchResource) -> dict[int, Matched]:
    levels = resource.matched_levels
    return {tag: each for tag, each in matched.items() if each.level in levels}


def _filters(
    given: Mapping[str, str],
    resource: SearchResource,
    matched: Mapping[int, Matched],
    *,
    is_fuzzy: bool,
) -> list[Filter]:
    filters: dict[int, Filter] = {}
    for key, value in given.items():
        tag = tag_of(key)
        if tag is None:
            raise InvalidRequest(
                f"Invalid query: {_shown(key)} is no parameter and no attribute;"
                f" {_ATTRIBUTE_NAMES}."
            )
        attribute = matched.get(tag)
        if attribute is None:
            accepted = ", ".join(sorted(each.keyword for each in matched.values()))
            raise InvalidRequest(
                f"Invalid query: {_shown(key)} cannot be matched at {resource.path}; accepted:"
                f" {accepted}."
            )
        if tag in filters:
            raise InvalidRequest(
                f"Invalid query: {attribute.keyword} is given both by keyword and by tag; each"
                " attribute may be given once."
            )
        if not value:
            raise InvalidRequest(
                f"Invalid query: {attribute.keyword} has an empty value; leave the parameter out"
                " to match everything."
            )
        filters[tag] = Filter(attribute, parse_match(attribute, value, is_fuzzy=is_fuzzy))
    return list(filters.values())


_ATTRIBUTE_NAMES: Final = (
    "attributes are named by their keyword (case-sensitive) or by 8 hexadecimal digits"
)


def _shown(key: str) -> str:
    """Returns a key for an error text; not where it could be a value in the wrong place."""
    return f"'{key}'" if _SHOWN.fullmatch(key) else "a parameter"
