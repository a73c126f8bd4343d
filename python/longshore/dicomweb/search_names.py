"""Attributes by name in a Search: those of `includefield` and `orderby`, and errors about them."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from pydicom.datadict import dictionary_has_tag, dictionary_VR

from longshore.dicomweb.search_attributes import SearchResource, path_of, tag_of
from longshore.errors import InvalidRequest
from longshore.index.search_columns import Matched
from longshore.index.search_order import OrderBy

_SHOWN: Final = re.compile(r"[A-Za-z0-9.]{1,128}")  # what may be repeated in an error text

ATTRIBUTE_NAMES: Final = (
    "attributes are named by their keyword (case-sensitive) or by 8 hexadecimal digits"
)


def shown(name: str) -> str:
    """Returns a name for an error text; not where it could be a value in the wrong place."""
    return f"'{name}'" if _SHOWN.fullmatch(name) else "a parameter"


def keywords(attributes: Iterable[Matched]) -> str:
    """Returns what an error text says to be accepted."""
    return ", ".join(sorted(each.keyword for each in attributes))


def parse_included(include_lists: Iterable[str]) -> tuple[frozenset[int], bool]:
    """Reads the values of `includefield` (PS3.18 8.3.4.3).

    Who names a member of a sequence gets the sequence with all its members.

    Returns:
        The tags, and whether it is `all`.

    Raises:
        InvalidRequest: One of the names is no attribute, or `all` does not stand alone.
    """
    names = [name.strip() for text in include_lists for name in text.split(",")]
    if any(name.lower() == "all" for name in names):
        if len(names) > 1:
            raise InvalidRequest(
                "Invalid query: includefield=all stands alone; leave out the other fields, or all."
            )
        return frozenset(), True
    tags: set[int] = set()
    for name in names:
        path = path_of(name)
        if path is None:
            raise InvalidRequest(
                f"Invalid query: includefield has {shown(name)}, which is no attribute;"
                f" {ATTRIBUTE_NAMES}, or all."
            )
        if any(dictionary_has_tag(tag) and dictionary_VR(tag) != "SQ" for tag in path[:-1]):
            raise InvalidRequest(
                f"Invalid query: includefield has {shown(name)}, but only sequences have members."
            )
        tags.add(path[0])
    return frozenset(tags), False


def parse_order(
    text: str | None, resource: SearchResource, matched: Mapping[int, Matched]
) -> list[OrderBy]:
    """Reads the value of `orderby`: a list of attributes, each with `-` before it if it descends.

    Args:
        text: None if the parameter was not given.
        resource: Named in errors.
        matched: What can be matched there, by tag.

    Raises:
        InvalidRequest: Results cannot be ordered by one of them, or it comes twice.
    """
    order: dict[int, OrderBy] = {}
    for name in () if text is None else text.split(","):
        stripped = name.strip()
        is_descending = stripped.startswith("-")
        bare = stripped.removeprefix("-")
        attribute = matched.get(tag_of(bare) or 0)
        if attribute is None or not attribute.is_ordered:
            accepted = keywords(each for each in matched.values() if each.is_ordered)
            raise InvalidRequest(
                f"Invalid query: results cannot be ordered by {shown(bare)} at {resource.path};"
                f" accepted, with - before one that descends: {accepted}."
            )
        if attribute.tag in order:
            raise InvalidRequest(f"Invalid query: orderby has {attribute.keyword} twice.")
        order[attribute.tag] = OrderBy(attribute, is_descending)
    return list(order.values())
