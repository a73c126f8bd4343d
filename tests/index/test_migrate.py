"""Migrations: their names, once each, two processes at once."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from longshore.errors import Unavailable
from longshore.index import migrate as index_migrate
from longshore.index.fold import fold_name
from longshore.index.migrate import migrate, migration_files

NAMES = [file.name for file in migration_files()]


def test_every_file_is_a_numbered_migration():
    folder = migration_files()[0].parent
    assert sorted(file.name for file in folder.iterdir()) == NAMES
    numbers = [int(name[:4]) for name in NAMES]
    assert numbers == list(range(1, len(numbers) + 1))


def test_twice_is_once(empty_dsn):
    assert migrate(empty_dsn) == NAMES
    assert migrate(empty_dsn) == []
    with psycopg.connect(empty_dsn) as connection:
        rows = connection.execute("SELECT name FROM schema_migration ORDER BY name").fetchall()
        assert rows == [(name,) for name in NAMES]
        partition = "SELECT partition_key, partition_name FROM partition"
        assert connection.execute(partition).fetchall() == [(1, "Microsoft.Default")]


def test_processes_at_once(empty_dsn):
    with ThreadPoolExecutor(6) as pool:
        applied = list(pool.map(migrate, [empty_dsn] * 6))
    assert sorted(applied) == [[]] * 5 + [NAMES]


def test_a_migration_that_fails_leaves_nothing(empty_dsn, tmp_path, monkeypatch):
    (tmp_path / "0001_pre_one.sql").write_text("CREATE TABLE one ();")
    (tmp_path / "0002_post_two.sql").write_text("CREATE TABLE two (); SELECT 1 / 0;")
    monkeypatch.setattr(index_migrate, "_FOLDER", tmp_path)
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_dsn)
    tables = "SELECT relname FROM pg_class WHERE relname IN ('one', 'two')"
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute(tables).fetchall() == [("one",)]
    (tmp_path / "0002_post_two.sql").write_text("CREATE TABLE two ();")
    assert migrate(empty_dsn) == ["0002_post_two.sql"]


def test_no_database():
    with pytest.raises(Unavailable, match="--database"):
        migrate("postgresql:///?host=/nowhere&connect_timeout=2")


def test_a_user_who_may_not(empty_dsn):
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS longshore_reader")
        connection.execute("CREATE ROLE longshore_reader LOGIN")
    with pytest.raises(Unavailable, match="owner"):
        migrate(make_conninfo(empty_dsn, user="longshore_reader"))


def test_names_that_are_there_get_the_keys_of_new_ones(empty_dsn, tmp_path, monkeypatch):
    names = ["Doe^John^^", "Yamada^=山田^^=", "^Roe^^Dr", "Smith", "^^", "Miller "]
    before = [file for file in migration_files() if file.name < "0004"]
    for file in before:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with monkeypatch.context() as patched:
        patched.setattr(index_migrate, "_FOLDER", tmp_path)
        assert migrate(empty_dsn) == [file.name for file in before]
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        for name in names:
            connection.execute(
                "INSERT INTO study (partition_key, study_uid, patient_name, attributes)"
                " VALUES (1, %s, %s, '{}')",
                [name, name.casefold()],
            )
        assert migrate(empty_dsn)
        keys = connection.execute("SELECT study_uid, patient_name FROM study").fetchall()
    assert dict(keys) == {name: fold_name(name) for name in names}
