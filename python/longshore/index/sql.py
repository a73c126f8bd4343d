"""SQL from `queries/*.sql`: each statement has a name and a sentence.

A file holds one or more statements, each behind `-- name: x` and a comment that says what it does.
"""

import re
from pathlib import Path
from typing import LiteralString, cast

_FOLDER = Path(__file__).parent / "queries"
_STATEMENT = re.compile(
    r"^-- name: (\w+)\n((?:-- [^\n]*\n)+)(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL
)


def load(file_name: str) -> dict[str, LiteralString]:
    """Returns the statements of a file by name.

    They are as literal as the code: files of this package, never text from outside.
    """
    text = (_FOLDER / file_name).read_text(encoding="utf-8")
    return {
        name: cast("LiteralString", statement.strip())
        for name, _, statement in _STATEMENT.findall(text)
    }
