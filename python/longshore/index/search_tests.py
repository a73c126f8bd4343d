"""The SQL that tests one match key: equality, ranges, LIKE, and the trigrams that find rows by it.

A test is exact by itself. Where the key stands in an array of trigrams that has an index, the
trigrams that every match must have are asked for as well, so that few rows are tested.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Final

from psycopg import sql

from longshore.index.fold import fold, fold_name, fold_name_part
from longshore.index.search_match import Exact, Range, Wildcard, WordPrefix

_NAME_DELIMITERS: Final = re.compile(r"[ ^=]+")  # between words, components and groups (PS3.5 6.2)
_WILD: Final = re.compile(r"[*?]+")
_TRIGRAM_COUNT_MAX: Final = 32  # enough to be selective, few enough to be planned quickly

_FOLDS: Final[Mapping[str, Callable[[str], str]]] = {"PN": fold_name, "UI": str}
_ANY_GROUP: Final = sql.SQL(
    "({key} {test} OR (strpos({key}, '=') > 0 AND EXISTS ("
    "SELECT FROM unnest(string_to_array({key}, '=')) AS name_group (key)"
    " WHERE name_group.key {test})))"
)
# Delimiters stand side by side where a component is empty: up to eight of them become one space.
_WORDS: Final = sql.SQL(
    "' ' || replace(replace(replace(translate({key}, '^=', '  '), '  ', ' '), '  ', ' '),"
    " '  ', ' ')"
)


@dataclass(frozen=True, slots=True)
class Key:
    """The match key of an attribute in SQL.

    Attributes:
        vr: Decides how texts are folded, and that a name has groups.
        column: The key itself.
        trigrams: An indexed array that has the key's trigrams, if there is one.
        fold: Returns a text as the column has it; None: as the VR is folded.
    """

    vr: str
    column: sql.Composable
    trigrams: sql.Composable | None = None
    fold: Callable[[str], str] | None = None

    def test(
        self,
        match: Exact | Range | Wildcard | WordPrefix,
        *,
        name: str,
        values: dict[str, Any],
    ) -> sql.Composable:
        """Returns the test that the key meets a match.

        Args:
            match: Of a kind that fits the VR: ranges for DA and TM, the others for texts.
            name: Prefix for parameter names, one that no other test has.
            values: Gets the parameters' values.
        """
        match match:
            case Exact(value=value):
                return self._exact(value, name, values)
            case Range(first=first, last=last):
                return self._range(first, last, name, values)
            case Wildcard(pattern=pattern):
                return self._wildcard(self._folded_part(pattern), name, values)
            case WordPrefix(words=words):
                return self._word_prefix(self._folded_part(" ".join(words)), name, values)

    def folded(self, text: str) -> str:
        """Returns the match key of a text."""
        return (self.fold or _FOLDS.get(self.vr, fold))(text)

    def _folded_part(self, text: str) -> str:
        return fold_name_part(text) if self.vr == "PN" else self.folded(text)

    def _exact(
        self, value: str | int | float | date | time, name: str, values: dict[str, Any]
    ) -> sql.Composable:
        values[name] = key = self.folded(value) if isinstance(value, str) else value
        test = sql.SQL("= {}").format(sql.Placeholder(name))
        # A key with a group delimiter can only be a whole name.
        if self.vr != "PN" or not isinstance(key, str) or "=" in key:
            return sql.SQL("{} {}").format(self.column, test)
        found = _ANY_GROUP.format(key=self.column, test=test)
        return self._with_trigrams(found, _trigrams(f" {key} "), name, values)

    def _range(
        self, first: date | time | None, last: date | time | None, name: str, values: dict[str, Any]
    ) -> sql.Composable:
        tests: list[sql.Composable] = []
        at_least, at_most = sql.SQL("{} >= {}"), sql.SQL("{} <= {}")
        for end, test, suffix in ((first, at_least, "first"), (last, at_most, "last")):
            if end is not None:
                values[f"{name}_{suffix}"] = end
                tests.append(test.format(self.column, sql.Placeholder(f"{name}_{suffix}")))
        return sql.SQL(" AND ").join(tests)

    def _wildcard(self, pattern: str, name: str, values: dict[str, Any]) -> sql.Composable:
        values[name] = _like(pattern)
        test = sql.SQL("LIKE {}").format(sql.Placeholder(name))
        is_name = self.vr == "PN"
        found = (_ANY_GROUP if is_name else sql.SQL("{key} {test}")).format(
            key=self.column, test=test
        )
        # What stands between wildcards is found whole; at either end it ends a word as well.
        return self._with_trigrams(
            found,
            [each for chunk in _WILD.split(f" {pattern} ") for each in _trigrams(chunk)],
            name,
            values,
        )

    def _word_prefix(self, words: str, name: str, values: dict[str, Any]) -> sql.Composable:
        # A space before the first word, so that every word begins behind one.
        values[name] = f"% {_escaped(words)}%"
        test = sql.SQL("{} LIKE {}").format(_WORDS.format(key=self.column), sql.Placeholder(name))
        return self._with_trigrams(test, _trigrams(f" {words}"), name, values)

    def _with_trigrams(
        self, test: sql.Composable, trigrams: list[str], name: str, values: dict[str, Any]
    ) -> sql.Composable:
        if self.trigrams is None or not trigrams:
            return test
        values[f"{name}_trigrams"] = list(dict.fromkeys(trigrams))[:_TRIGRAM_COUNT_MAX]
        return sql.SQL("({} @> {}::text[] AND {})").format(
            self.trigrams, sql.Placeholder(f"{name}_trigrams"), test
        )


def name_words(text: str) -> tuple[str, ...]:
    """Returns the words of a PN value or of a part of one; may be none."""
    return tuple(word for word in _NAME_DELIMITERS.split(text) if word)


def _trigrams(text: str) -> list[str]:
    """Returns the runs of three characters, as `trigrams` of the database does."""
    words = _NAME_DELIMITERS.sub(" ", text)
    return [words[at : at + 3] for at in range(len(words) - 2)]


def _like(pattern: str) -> str:
    return re.sub(r"\*+", "%", _escaped(pattern)).replace("?", "_")


def _escaped(text: str) -> str:
    """Returns a LIKE pattern that matches the text itself."""
    return re.sub(r"([\\%_])", r"\\\1", text)
