"""Which attributes can be matched, and the SQL condition of a match.

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
from longshore.index.fold import fold, fold_name
from longshore.index.search_match import Exact, Level, Match, Range, WordPrefix

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
# Conditions that look beyond the level's own row.
_WITHIN: Final[Mapping[int, sql.SQL]] = {
    SOP_CLASS_UID: sql.SQL(
        "instance.sop_class_key = (SELECT uid_name.uid_key FROM uid_name WHERE {test})"
    ),
    MODALITIES_IN_STUDY: sql.SQL(
        "EXISTS (SELECT FROM series AS any_series"
        " WHERE any_series.study_key = study.study_key AND {test})"
    ),
}
# Typed columns that are returned only: the model refuses them as filters (PS3.18 too).
_RETURNED_ONLY: Final = frozenset({0x00280008, 0x00280010, 0x00280011, 0x00280100})

_NAME_DELIMITERS: Final = re.compile(r"[ ^=]+")  # between words, components and groups (PS3.5 6.2)


@dataclass(frozen=True, slots=True)
class Matched:
    """One attribute that can be a filter.

    Whoever has more attributes than the table (extended query tags) makes more of these and hands
    them to the parser beside `MATCHED`: a filter brings its own SQL.

    Attributes:
        column: SQL for the attribute's match key.
        within: What the test of the key stands in where the key is not in the level's own row:
            `EXISTS (SELECT FROM … WHERE … AND {test})`.
    """

    tag: int
    keyword: str
    vr: str
    level: Level
    column: sql.Composable
    within: sql.SQL | None = None

    @property
    def is_ordered(self) -> bool:
        """True if results can be ordered by it: each has one value, in a row that is joined."""
        return self.within is None

    def condition(self, match: Match, *, name: str, values: dict[str, Any]) -> sql.Composable:
        """Returns the condition that a row meets the match.

        Args:
            match: Of a kind that fits the VR: ranges for DA and TM, word prefixes for PN.
            name: Prefix for parameter names, one that no other condition has.
            values: Gets the parameters' values.
        """
        test = self._test(match, name=name, values=values)
        return test if self.within is None else self.within.format(test=test)

    def _test(self, match: Match, *, name: str, values: dict[str, Any]) -> sql.Composable:
        match match:
            case Exact(value=value):
                values[name] = self._key(value)
                return sql.SQL("{} = {}").format(self.column, sql.Placeholder(name))
            case Range(first=first, last=last):
                tests: list[sql.Composable] = []
                if first is not None:
                    values[f"{name}_first"] = first
                    at_least = sql.SQL("{} >= {}")
                    tests.append(at_least.format(self.column, sql.Placeholder(f"{name}_first")))
                if last is not None:
                    values[f"{name}_last"] = last
                    at_most = sql.SQL("{} <= {}")
                    tests.append(at_most.format(self.column, sql.Placeholder(f"{name}_last")))
                return sql.SQL(" AND ").join(tests)
            case WordPrefix(words=words):
                # A space before the first word, so that every word begins behind one.
                values[name] = f"% {_escaped(fold_name(' '.join(words)))}%"
                return sql.SQL("' ' || translate({}, '^=', '  ') LIKE {}").format(
                    self.column, sql.Placeholder(name)
                )

    def _key(self, value: object) -> object:
        """Returns the value as the column keeps it."""
        if not isinstance(value, str) or self.vr == "UI":
            return value
        return fold_name(value) if self.vr == "PN" else fold(value)


def name_words(text: str) -> tuple[str, ...]:
    """Returns the words of a PN value or of a part of one; may be none."""
    return tuple(word for word in _NAME_DELIMITERS.split(text) if word)


def _escaped(text: str) -> str:
    """Returns a LIKE pattern that matches the text itself."""
    return re.sub(r"([\\%_])", r"\\\1", text)


def _snake_case(keyword: str) -> str:
    """`StudyDate` -> `study_date`, `StudyID` -> `study_id`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", keyword).lower()


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on the results: an attribute and what it must meet."""

    attribute: Matched
    match: Match

    def condition(self, *, name: str, values: dict[str, Any]) -> sql.Composable:
        """Returns the SQL condition; as `Matched.condition`."""
        return self.attribute.condition(self.match, name=name, values=values)


def _column(tag: int, level: Level, keyword: str) -> sql.Identifier:
    return sql.Identifier(*_COLUMNS.get(tag, (TABLES[level], _snake_case(keyword))))


def _matched() -> dict[int, Matched]:
    rows = [
        (row.tag, row.keyword, row.vr, Level(row.level))
        for row in ATTRIBUTES
        if row.is_matched and row.tag not in _RETURNED_ONLY
    ]
    # Computed from the series of a study, so it has no column of its own.
    rows.append((MODALITIES_IN_STUDY, "ModalitiesInStudy", "CS", Level.STUDY))
    return {
        tag: Matched(tag, keyword, vr, level, _column(tag, level, keyword), within=_WITHIN.get(tag))
        for tag, keyword, vr, level in rows
    }


MATCHED: Final[Mapping[int, Matched]] = _matched()
"""Every attribute that can be a filter, by tag."""
