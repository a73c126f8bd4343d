"""Statements have names and sentences, and somebody uses them."""

import re
from pathlib import Path

import pytest

from longshore.index import sql

FOLDER = Path(sql.__file__).parent
FILES = sorted(path.name for path in (FOLDER / "queries").glob("*.sql"))


def test_there_are_statements():
    assert {"store.sql", "delete.sql", "changes.sql", "locate.sql", "packs.sql"} <= set(FILES)


@pytest.mark.parametrize("file_name", FILES)
def test_every_statement_has_a_name_and_a_sentence(file_name: str):
    text = (FOLDER / "queries" / file_name).read_text(encoding="utf-8")
    names = re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)
    statements = sql.load(file_name)
    assert list(statements) == names, "a name twice, or one without a sentence"
    assert all(statements.values()), "a name without a statement"
    for name in names:
        sentence = re.search(rf"^-- name: {name}\n((?:-- [^\n]*\n)+)", text, re.MULTILINE)
        assert sentence is not None
        assert sentence[1].rstrip().endswith(".")
        assert sentence[1][3].isupper()


@pytest.mark.parametrize("file_name", FILES)
def test_every_statement_is_used(file_name: str):
    users = [path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")]
    code = "".join(text for text in users if f'("{file_name}")' in text)
    for name in sql.load(file_name):
        assert f'"{name}"' in code


def test_no_statement_is_cut_in_two():
    assert "FOR UPDATE" in sql.load("delete.sql")["lock_study"]
    assert "name:" not in "".join(sql.load("delete.sql").values())
