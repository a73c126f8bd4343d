"""Members of sequences that can be matched (PS3.4 C.2.2.2.6): those of the requests of a series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from longshore.index.fold import fold_ascii
from longshore.index.search_columns import Matched
from longshore.index.search_match import Exact, Level, Match
from longshore.index.search_tests import Key

REQUEST_ATTRIBUTES_SEQUENCE: Final = 0x00400275
_MEMBERS: Final = {
    0x00400009: "ScheduledProcedureStepID",
    0x00401001: "RequestedProcedureID",
}
_ANY_ITEM: Final = sql.SQL(
    "EXISTS (SELECT FROM jsonb_array_elements(series.attributes #> '{{00400275,Value}}')"
    " AS request (item) WHERE {test})"
)
# The expression and the predicate of the index `series_request_ids`, to the letter.
_HAS_IDS: Final = sql.SQL(
    "(series.attributes ? '00400275' AND request_ids(series.attributes) @> {}::text[])"
)


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Several members of one sequence, which must all be met by the same item.

    Attributes:
        members: At least one, each of `MEMBERS`, with what it must meet.
    """

    members: Sequence[tuple[tuple[int, ...], Match]]

    @property
    def tags(self) -> frozenset[int]:
        """The sequence, which is returned whole."""
        return frozenset(path[0] for path, _ in self.members)

    def condition(self, *, name: str, values: dict[str, Any]) -> sql.Composable:
        """Returns the SQL condition; as `Matched.condition`."""
        ids: list[str] = []
        tests: list[sql.Composable] = []
        for number, (path, match) in enumerate(self.members):
            member = MEMBERS[path]
            # Tested within the item, not each within an item of its own.
            alone = Matched(member.tag, member.keyword, member.vr, member.level, member.key)
            tests.append(alone.condition(match, name=f"{name}_{number}", values=values))
            if isinstance(match, Exact) and isinstance(match.value, str):
                ids.append(f"{path[-1]:08X}={member.key.folded(match.value)}")
        found = _ANY_ITEM.format(test=sql.SQL(" AND ").join(tests))
        if not ids:
            return found
        values[f"{name}_ids"] = ids
        return sql.SQL("({} AND {})").format(_HAS_IDS.format(sql.Placeholder(f"{name}_ids")), found)


def _member(tag: int, keyword: str) -> Matched:
    value = sql.SQL('lower((request.item #>> {}) COLLATE "C")').format(
        sql.Literal(f"{{{tag:08X},Value,0}}")
    )
    return Matched(
        REQUEST_ATTRIBUTES_SEQUENCE,
        f"RequestAttributesSequence.{keyword}",
        "SH",
        Level.SERIES,
        Key("SH", value, fold=fold_ascii),
        within=_ANY_ITEM,
    )


MEMBERS: Final[Mapping[tuple[int, ...], Matched]] = {
    (REQUEST_ATTRIBUTES_SEQUENCE, tag): _member(tag, keyword) for tag, keyword in _MEMBERS.items()
}
"""The members by path: the sequence's tag and their own (PS3.18 Table 10.6.1-5)."""
