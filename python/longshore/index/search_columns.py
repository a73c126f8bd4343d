"""Which attributes can be matched, and where their match keys are.

The attributes come from THE table (`longshore.dicom.ATTRIBUTES`); a matched attribute's column is
its keyword in snake case, so that a new one is searchable as soon as its column exists. Values are
always parameters, never SQL text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from longshore.dicom import ATTRIBUTES
from longshore.index.search_match import AllOf, AnyOf, Empty, Exact, Level, Match
from longshore.index.search_tests import Key

STUDY_INSTANCE_UID: Final = 0x0020000D
SERIES_INSTANCE_UID: Final = 0x0020000E
SOP_INSTANCE_UID: Final = 0x00080018
SOP_CLASS_UID: Final = 0x00080016
MODALITIES_IN_STUDY: Final = 0x00080061

TABLES: Final[Mapping[Level, str]] = {
    Level.STUDY: "study",
    Level.SERIES: "series",
    Level.IMAGE: "instance",
}
# Columns that are not called after their keyword.
_COLUMNS: Final[Mapping[int, tuple[str, str]]] = {
    STUDY_INSTANCE_UID: ("study", "study_uid"),
    SERIES_INSTANCE_UID: ("series", "series_uid"),
    SOP_INSTANCE_UID: ("instance", "sop_instance_uid"),
    SOP_CLASS_UID: ("uid_name", "uid"),
    MODALITIES_IN_STUDY: ("any_series", "modality"),
}
# Tests that look beyond the level's own row.
_WITHIN: Final[Mapping[int, sql.SQL]] = {
    SOP_CLASS_UID: sql.SQL(
        "instance.sop_class_key = ANY (ARRAY(SELECT uid_name.uid_key FROM uid_name WHERE {test}))"
    ),
    MODALITIES_IN_STUDY: sql.SQL(
        "EXISTS (SELECT FROM series AS any_series"
        " WHERE any_series.study_key = study.study_key AND {test})"
    ),
}
# Typed columns that are returned only: the model refuses them as filters (PS3.18 too).
_RETURNED_ONLY: Final = frozenset({0x00280008, 0x00280010, 0x00280011, 0x00280100})
_STUDY_TEXTS: Final = (
    "patient_name",
    "patient_id",
    "accession_number",
    "study_description",
    "referring_physician_name",
    "study_id",
)
# The expression of the index `study_trigrams`, to the letter.
_STUDY_TRIGRAMS: Final = sql.SQL("trigrams({})").format(
    sql.SQL(" || ' ' || ").join(
        sql.SQL("COALESCE({}, '')").format(sql.Identifier("study", column))
        for column in _STUDY_TEXTS
    )
)


@dataclass(frozen=True, slots=True)
class Matched:
    """One attribute that can be a filter.

    Whoever has more attributes than the table (extended query tags) makes more of these and hands
    them to the parser beside `MATCHED`: a filter brings its own SQL.

    Attributes:
        tag: Of the attribute, or of the sequence that it is a member of: what is returned.
        keyword: As errors name it.
        level: Of the row that the condition is about.
        key: Where the match key is.
        within: What the test of the key stands in where the key is not in the level's own row:
            `EXISTS (SELECT FROM … WHERE … AND {test})`.
        has_many: True if one result may have several values.
    """

    tag: int
    keyword: str
    vr: str
    level: Level
    key: Key
    within: sql.SQL | None = None
    has_many: bool = False

    @property
    def is_ordered(self) -> bool:
        """True if results can be ordered by it: each has one value, in a row that is joined."""
        return self.within is None

    def condition(self, match: Match, *, name: str, values: dict[str, Any]) -> sql.Composable:
        """Returns the condition that a row meets the match.

        Args:
            match: Of a kind that fits the VR.
            name: Prefix for parameter names, one that no other condition has.
            values: Gets the parameters' values.
        """
        match match:
            case AnyOf(matches=matches) if self._are_keys(matches):
                values[name] = [
                    self.key.folded(each.value)
                    for each in matches
                    if isinstance(each, Exact) and isinstance(each.value, str)
                ]
                return self._within(
                    sql.SQL("{} = ANY ({})").format(self.key.column, sql.Placeholder(name))
                )
            case AnyOf(matches=matches) | AllOf(matches=matches):
                conditions = [
                    self.condition(each, name=f"{name}_{number}", values=values)
                    for number, each in enumerate(matches)
                ]
                joint = sql.SQL(" AND " if isinstance(match, AllOf) else " OR ")
                return sql.SQL("({})").format(joint.join(conditions))
            case Empty():
                present = self._within(sql.SQL("{} IS NOT NULL").format(self.key.column))
                return sql.SQL("NOT ({})").format(present)
            case _:
                return self._within(self.key.test(match, name=name, values=values))

    def _are_keys(self, matches: tuple[Match, ...]) -> bool:
        """True if each match is one equality: not of names, which have groups."""
        return self.vr != "PN" and all(isinstance(each, Exact) for each in matches)

    def _within(self, test: sql.Composable) -> sql.Composable:
        return test if self.within is None else self.within.format(test=test)


def _snake_case(keyword: str) -> str:
    """`StudyDate` -> `study_date`, `StudyID` -> `study_id`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", keyword).lower()


def _attribute(tag: int, keyword: str, vr: str, level: Level) -> Matched:
    column = _COLUMNS.get(tag, (TABLES[level], _snake_case(keyword)))
    trigrams = _STUDY_TRIGRAMS if column[1] in _STUDY_TEXTS else None
    key = Key(vr, sql.Identifier(*column), trigrams)
    return Matched(
        tag,
        keyword,
        vr,
        level,
        key,
        within=_WITHIN.get(tag),
        has_many=tag == MODALITIES_IN_STUDY,
    )


def _matched() -> dict[int, Matched]:
    found = {
        row.tag: _attribute(row.tag, row.keyword, row.vr, Level(row.level))
        for row in ATTRIBUTES
        if row.is_matched and row.tag not in _RETURNED_ONLY
    }
    # Computed from the series of a study, so it has no column of its own.
    found[MODALITIES_IN_STUDY] = _attribute(
        MODALITIES_IN_STUDY, "ModalitiesInStudy", "CS", Level.STUDY
    )
    return found


MATCHED: Final[Mapping[int, Matched]] = _matched()
"""Every attribute of the table that can be a filter, by tag."""
