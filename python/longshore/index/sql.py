"""SQL from `queries/*.sql`: each statement has a name and a sentence.

A file holds one or more statements, each behind `-- name: x` and a comment that says what it does.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString, cast

_FOLDER = Path(__file__).parent / "queries"
_STATEMENT = re.compile(
    r"^-- name: (\w+)\n((?:-- [^\n]*\n)+)(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL
)
_PARAMETER = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as PostgreSQL prepares it.

    Attributes:
        name: Of the prepared statement: file and statement.
        text: With `$1` for the first of `parameter_names`, and so on.
    """

    name: str
    text: bytes
    parameter_names: tuple[str, ...]


def load(file_name: str) -> dict[str, LiteralString]:
    """Returns the statements of a file by name.

    They are as literal as the code: files of this package, never text from outside.
    """
    text = (_FOLDER / file_name).read_text(encoding="utf-8")
    return {
        name: cast("LiteralString", statement.strip())
        for name, _, statement in _STATEMENT.findall(text)
    }


def load_prepared(file_name: str) -> dict[str, Statement]:
    """Returns the statements of a file by name, with numbered parameters."""
    return {
        name: prepared(f"{file_name.removesuffix('.sql')}.{name}", text)
        for name, text in load(file_name).items()
    }


def prepared(name: str, text: LiteralString) -> Statement:
    """Returns a statement with numbered parameters; a name that recurs keeps its number."""
    names = list(dict.fromkeys(_PARAMETER.findall(text)))
    numbered = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", text)
    return Statement(name, numbered.replace("%%", "%").encode(), tuple(names))
