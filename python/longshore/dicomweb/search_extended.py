"""Extended query tags in a Search: which can be filters, and what is said of incomplete ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from longshore.dicomweb.search_attributes import SearchResource, tag_of
from longshore.index.database import Database
from longshore.index.extended_match import matched_of
from longshore.index.extended_tags import ExtendedTag, read_tags
from longshore.index.search_columns import MATCHED, Matched

ERRONEOUS = "erroneous-dicom-attributes"


@dataclass(frozen=True, slots=True)
class Searchable:
    """What can be a filter at a resource, and what is to be said of it.

    Attributes:
        private_creators: Of private tags: whose block they are found in, wherever that is.
        erroneous: Names, as the user agent wrote them, of attributes that some instances have
            values in that could not be indexed.
    """

    matched: Mapping[int, Matched]
    private_creators: Mapping[int, str] = field(default_factory=dict[int, str])
    erroneous: Sequence[str] = ()

    @property
    def headers(self) -> dict[str, str]:
        """Tells which filters may miss results."""
        return {ERRONEOUS: ",".join(self.erroneous)} if self.erroneous else {}


async def searchable(
    database: Database, names: Iterable[str], resource: SearchResource
) -> Searchable:
    """Returns what can be a filter; reads the tags only if something else than the table is named.

    The table's own attributes stay what they are at their level, whatever tags there are.

    Args:
        names: Of all parameters.
    """
    asked = {tag: name.strip() for name in names if (tag := _other(name, resource)) is not None}
    if not asked:
        return Searchable(MATCHED)
    tags = [each for each in (await read_tags(database)).tags if _is_asked(each, asked)]
    return Searchable(
        {**MATCHED, **{each.tag: matched_of(each) for each in tags}},
        {each.tag: each.private_creator for each in tags if each.private_creator is not None},
        [asked[each.tag] for each in tags if each.error_count],
    )


def _other(name: str, resource: SearchResource) -> int | None:
    """Returns the tag that a name means, unless the table has it at one of the levels."""
    tag = tag_of(name.strip())
    known = None if tag is None else MATCHED.get(tag)
    return None if known is not None and known.level in resource.matched_levels else tag


def _is_asked(tag: ExtendedTag, asked: Mapping[int, str]) -> bool:
    return tag.is_searchable and tag.tag in asked
