"""The embedded PostgreSQL: what it promises, and what a killed service leaves behind."""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from longshore.embedded.errors import EmbeddedError
from longshore.embedded.processes import is_postgres_of
from longshore.embedded.server import EmbeddedPostgres, running, start
from longshore.embedded.supervision import supervised


def setting(server: EmbeddedPostgres, name: str) -> str:
    with psycopg.connect(server.dsn) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a server; none may be left in it."""
    folder = tmp_path / "postgres"
    yield folder
    assert not (folder / "postmaster.pid").exists(), "a server was left behind"


def test_acknowledged_means_on_disk(postgres_server: EmbeddedPostgres) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert setting(postgres_server, name) == "on", name


def test_nobody_reaches_it_but_its_user(postgres_server: EmbeddedPostgres) -> None:
    assert setting(postgres_server, "listen_addresses") == ""
    assert postgres_server.folder.stat().st_mode & 0o077 == 0


def test_text_sorts_by_code_point_and_folds_every_letter(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as connection:
        row = connection.execute(
            "SELECT getdatabaseencoding(), 'Z' < 'a', lower('ÄΣЖ'), 'Ä' ILIKE 'ä'"
        ).fetchone()
    assert row == ("UTF8", True, "äσж", True)


def test_every_test_has_its_own_database(dsn: str, empty_dsn: str) -> None:
    count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(dsn) as migrated, psycopg.connect(empty_dsn) as empty:
        assert migrated.execute(count).fetchone() != (0,)
        assert empty.execute(count).fetchone() == (0,)


def test_values_do_not_reach_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    with running(folder, connection_count_max=5) as server, psycopg.connect(server.dsn) as con:
        con.execute("CREATE TABLE one (name text PRIMARY KEY)")
        con.execute("INSERT INTO one VALUES (%s)", ["Doe^Jane"])
        with pytest.raises(psycopg.errors.UniqueViolation):
            con.execute("INSERT INTO one VALUES (%s)", ["Doe^Jane"])
        con.rollback()
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            con.execute("SELECT 'Doe^Jane'::integer")
    log = (tmp_path / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "Doe" not in log


def test_the_next_start_finds_the_rows(folder: Path) -> None:
    with running(folder, connection_count_max=5) as first, psycopg.connect(first.dsn) as con:
        con.execute("CREATE TABLE kept (x integer)")
    assert not first.is_running()
    with running(folder, connection_count_max=5) as second, psycopg.connect(second.dsn) as con:
        assert con.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_server_left_running_is_taken_over(folder: Path) -> None:
    left = start(folder, connection_count_max=5)
    with running(folder, connection_count_max=5) as found:
        assert found.is_adopted
        assert found.pid == left.pid
        assert setting(found, "cluster_name") == "longshore"
    assert left._process is not None
    assert left._process.wait(timeout=10) == 0


def test_a_killed_server_is_recovered(folder: Path) -> None:
    killed = start(folder, connection_count_max=5)
    with psycopg.connect(killed.dsn) as connection:
        connection.execute("CREATE TABLE kept (x integer)")
    os.kill(killed.pid, signal.SIGKILL)
    assert killed._process is not None
    killed._process.wait(timeout=10)
    with running(folder, connection_count_max=5) as server, psycopg.connect(server.dsn) as con:
        assert not server.is_adopted
        assert con.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_lock_file_that_names_another_process_is_stale(folder: Path) -> None:
    """In a container that starts anew, the old server's number belongs to somebody else."""
    with running(folder, connection_count_max=5):
        lines = (folder / "postmaster.pid").read_text().splitlines()
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (folder / name).write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    assert not is_postgres_of(os.getpid(), folder)
    with running(folder, connection_count_max=5) as server:
        assert not server.is_adopted


def test_a_folder_that_was_not_finished_is_made_anew(folder: Path) -> None:
    unfinished = folder.with_name("postgres.unfinished")
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    with running(folder, connection_count_max=5) as server:
        assert setting(server, "cluster_name") == "longshore"
    assert not unfinished.exists()


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "with space & ümlaut" / "postgres"
    folder.parent.mkdir(parents=True)
    before = set(Path(tempfile.gettempdir()).glob("longshore-*"))
    with running(folder, connection_count_max=5) as server:
        assert setting(server, "cluster_name") == "longshore"
    assert set(Path(tempfile.gettempdir()).glob("longshore-*")) <= before


def test_folders_above_may_be_closed(tmp_path: Path) -> None:
    """As root, PostgreSQL runs as a user who cannot enter them."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with running(closed / "postgres", connection_count_max=5) as server:
        assert setting(server, "cluster_name") == "longshore"
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "precious").write_text("mine")
    with pytest.raises(EmbeddedError, match="is not a database's folder"):
        start(folder, connection_count_max=5)
    assert [each.name for each in folder.iterdir()] == ["precious"]


def test_another_version_says_what_to_do(folder: Path) -> None:
    with running(folder, connection_count_max=5):
        pass
    (folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedError, match=r"is of PostgreSQL 16, this is 18: .* rebuild-index"):
        start(folder, connection_count_max=5)


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    with running(folder, connection_count_max=5):
        pass
    shutil.rmtree(folder / "global")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL did not start: .*global"):
        start(folder, connection_count_max=5)


@contextlib.contextmanager
def watched(server: EmbeddedPostgres, lines: list[str]) -> Generator[None]:
    with supervised(server, report=lines.append, starting=threading.Lock()):
        yield


def wait_for_line(lines: list[str], line: str) -> None:
    deadline = time.monotonic() + 60
    while line not in lines:
        assert time.monotonic() < deadline, lines
        time.sleep(0.02)


def test_a_supervised_server_comes_back_under_its_dsn(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "postgres"  # reached by a short name, which stays
    folder.parent.mkdir()
    lines: list[str] = []
    with running(folder, connection_count_max=5) as server, watched(server, lines):
        dsn, first = server.dsn, server.pid
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE kept (x integer)")
        os.kill(first, signal.SIGKILL)
        wait_for_line(lines, "PostgreSQL answers again")
        assert (server.dsn, server.pid != first) == (dsn, True)
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert lines[0] == "PostgreSQL ended (SIGKILL); it is started again in 0 s"
    assert not server.is_running()


def test_one_that_was_taken_over_comes_back_too(folder: Path) -> None:
    left = start(folder, connection_count_max=5)
    lines: list[str] = []
    with running(folder, connection_count_max=5) as server, watched(server, lines):
        assert server.is_adopted
        os.kill(left.pid, signal.SIGKILL)
        assert left._process is not None
        left._process.wait(timeout=10)
        wait_for_line(lines, "PostgreSQL answers again")
        assert not server.is_adopted
        assert setting(server, "cluster_name") == "longshore"
    assert lines[0] == "PostgreSQL ended (it is not known how); it is started again in 0 s"


def test_one_that_is_stopped_stays_away(folder: Path) -> None:
    lines: list[str] = []
    with running(folder, connection_count_max=5) as server:
        with watched(server, lines):
            pass
        os.kill(server.pid, signal.SIGINT)
        assert server._process is not None
        server._process.wait(timeout=30)
        time.sleep(0.5)
        assert not server.is_running()
    assert lines == []


def crash(server: EmbeddedPostgres) -> None:
    """Kills a process of the server's, so that it ends all others and recovers."""
    for child in psutil.Process(server.pid).children():
        with contextlib.suppress(psutil.Error):
            if "checkpointer" in " ".join(child.cmdline()):
                child.kill()


@pytest.mark.parametrize("pause_s", [0.0, 0.05, 0.1])
def test_one_that_recovers_from_a_crash_is_stopped_at_once(folder: Path, pause_s: float) -> None:
    """PostgreSQL 18 would not end: its checkpointer waits for an order that does not come."""
    with running(folder, connection_count_max=5) as server:
        with psycopg.connect(server.dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 100000)")
        crash(server)
        time.sleep(pause_s)
    assert not server.is_running()
    with running(folder, connection_count_max=5) as server, psycopg.connect(server.dsn) as con:
        assert con.execute("SELECT count(*) FROM kept").fetchone() == (100_000,)
