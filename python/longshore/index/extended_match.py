"""Extended query tags as filters of a Search: where their values are."""

from typing import Final, LiteralString, cast

from psycopg import sql
from pydicom.datadict import keyword_for_tag

from longshore.index.extended_tags import LEVELS, ExtendedTag
from longshore.index.extended_values import COLUMNS
from longshore.index.search_columns import Matched
from longshore.index.search_match import Level
from longshore.index.search_tests import Key

_OWNERS: Final = {
    Level.STUDY: "study.study_key",
    Level.SERIES: "series.series_key",
    Level.IMAGE: "instance.instance_key",
}
_NAME: Final = sql.Identifier("extended_value", "name_value")
_TRIGRAMS: Final = sql.SQL("trigrams({})").format(_NAME)


def matched_of(tag: ExtendedTag) -> Matched:
    """Returns what a tag is matched by; results cannot be ordered by it."""
    level = LEVELS[tag.level]
    column = sql.Identifier("extended_value", COLUMNS[tag.vr].name)
    within = (
        f"EXISTS (SELECT FROM extended_value WHERE extended_value.tag_key = {tag.tag_key:d}"
        f" AND extended_value.owner_key = {_OWNERS[level]} AND {{test}})"
    )
    return Matched(
        tag=tag.tag,
        keyword=keyword_for_tag(tag.tag) or tag.path,
        vr=tag.vr,
        level=level,
        key=Key(tag.vr, column, trigrams=_TRIGRAMS if tag.vr == "PN" else None),
        # A number and names of ours.
        within=sql.SQL(cast("LiteralString", within)),
    )
