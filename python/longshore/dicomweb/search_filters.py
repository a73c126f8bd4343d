"""The filters of a Search: which attribute each parameter names, and what it must meet."""

from collections.abc import Mapping

from longshore.dicomweb.search_attributes import SearchResource, tag_of
from longshore.dicomweb.search_names import ATTRIBUTE_NAMES, keywords, shown
from longshore.dicomweb.search_values import parse_match
from longshore.errors import InvalidRequest
from longshore.index.search_columns import Filter, Matched


def parse_filters(
    given: Mapping[str, str],
    resource: SearchResource,
    matched: Mapping[int, Matched],
    *,
    is_fuzzy: bool,
) -> list[Filter]:
    """Reads the parameters that are no options.

    Args:
        given: Values by name; the values without white space around them.
        resource: Named in errors.
        matched: What can be matched there, by tag.
        is_fuzzy: `fuzzymatching=true`.

    Raises:
        InvalidRequest: The first thing that is wrong, and what is accepted instead.
    """
    filters: dict[int, Filter] = {}
    for name, value in given.items():
        tag = tag_of(name)
        if tag is None:
            raise InvalidRequest(
                f"Invalid query: {shown(name)} is no parameter and no attribute; {ATTRIBUTE_NAMES}."
            )
        attribute = matched.get(tag)
        if attribute is None:
            raise InvalidRequest(
                f"Invalid query: {shown(name)} cannot be matched at {resource.path}; accepted:"
                f" {keywords(matched.values())}."
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
