"""`longshore serve` as a process: it stops what it starts, and says in a line what it cannot do."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.processes import Serving, postgres_processes


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    serving = Serving(tmp_path / "data")
    yield serving
    serving.kill()


def workers_of(serving: Serving) -> list[psutil.Process]:
    """The service's processes besides the first and PostgreSQL's."""
    found: list[psutil.Process] = []
    for child in psutil.Process(serving.running.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.name() != "postgres":
                found.append(child)
    return found


def is_alive(process: psutil.Process) -> bool:
    """Where nobody reaps them, ended processes keep their number."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_one_line(text: str, *parts: str) -> None:
    assert text.count("\n") == 1, text
    assert text.startswith("longshore: "), text
    for part in parts:
        assert part in text


def test_it_says_what_runs_where(serving: Serving) -> None:
    serving.start()
    text = serving.text()
    assert f"serves on {serving.url} with 2 workers" in text
    assert str(serving.data / "postgres") in text
    assert f"--data-binary @file.dcm {serving.url}/v2/studies" in text
    assert text.count("\n") <= 6, text


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_all_of_them_stops_it_cleanly(serving: Serving, stop_signal: int) -> None:
    """A terminal sends Ctrl-C to every process of the group at once."""
    serving.start()
    children = workers_of(serving)
    assert len(postgres_processes(serving.data)) > 1
    before = serving.text()
    os.killpg(serving.running.pid, stop_signal)
    assert serving.wait() == 0
    if stop_signal != signal.SIGTERM:  # to workers, SIGTERM is the parent's word
        assert serving.text() == before, "a clean stop has nothing to say"
    assert not any(is_alive(child) for child in children)
    assert postgres_processes(serving.data) == []


def test_the_next_start_finds_the_data(serving: Serving) -> None:
    serving.start()
    assert serving.get("/add") == "1"
    assert serving.stop() == 0
    serving.start()
    assert serving.get("/add") == "2"
    assert serving.stop() == 0


def test_a_request_under_way_is_finished(serving: Serving) -> None:
    serving.start()
    answers: list[str] = []
    request = threading.Thread(target=lambda: answers.append(serving.get("/?1.5")))
    request.start()
    time.sleep(0.5)
    assert serving.stop() == 0
    request.join()
    assert len(answers) == 1
    assert postgres_processes(serving.data) == []


def test_a_signal_while_it_starts_leaves_nothing(serving: Serving) -> None:
    serving.spawn()
    wait_for(lambda: postgres_processes(serving.data) != [] or serving.running.poll() is not None)
    assert serving.stop() == 0
    assert "Traceback" not in serving.text()
    assert postgres_processes(serving.data) == []
    serving.start()
    assert serving.stop() == 0


def test_a_signal_while_the_database_is_made_leaves_nothing(serving: Serving) -> None:
    serving.spawn()
    wait_for((serving.data / "postgres.unfinished").exists)
    assert serving.stop() == 0
    assert "Traceback" not in serving.text()
    assert not (serving.data / "postgres").exists()
    serving.start()
    assert serving.stop() == 0


def test_a_worker_that_dies_is_replaced(serving: Serving) -> None:
    serving.workers = 1
    serving.start()
    first = serving.get("/")
    os.kill(int(first), signal.SIGKILL)
    wait_for(lambda: answers(serving))
    assert serving.get("/") != first
    assert serving.stop() == 0


def answers(serving: Serving) -> bool:
    try:
        return serving.get("/") != ""
    except httpx.TransportError:
        return False


def test_kill_9_of_the_parent_and_start_again(serving: Serving) -> None:
    serving.start()
    assert serving.get("/add") == "1"
    left = workers_of(serving)
    os.kill(serving.running.pid, signal.SIGKILL)
    assert serving.wait() == -signal.SIGKILL
    assert any(is_alive(child) for child in left), "the test wants orphans"
    serving.start()
    assert not any(is_alive(child) for child in left)
    assert serving.get("/add") == "2"
    assert serving.stop() == 0
    assert postgres_processes(serving.data) == []


def test_kill_9_of_everything_and_start_again(serving: Serving) -> None:
    serving.start()
    assert serving.get("/add") == "1"
    os.killpg(serving.running.pid, signal.SIGKILL)
    for process in postgres_processes(serving.data):
        with contextlib.suppress(psutil.NoSuchProcess):  # it notices that its server is gone
            process.kill()
    serving.wait()
    serving.start()
    assert serving.get("/add") == "2"
    assert serving.stop() == 0


def test_port_taken(serving: Serving) -> None:
    with socket.create_server(("127.0.0.1", serving.port)):
        serving.spawn()
        assert serving.wait() == 1
    assert_one_line(serving.text(), f"port {serving.port} of 127.0.0.1 is taken", "--port")
    assert postgres_processes(serving.data) == []


def test_port_taken_by_another_service(serving: Serving, tmp_path: Path) -> None:
    """granian's workers share their port, so that a second service could join unseen."""
    serving.start()
    second = Serving(tmp_path / "other", port=serving.port)
    second.spawn()
    assert second.wait() == 1
    assert_one_line(second.text(), "is taken")
    assert serving.stop() == 0


def test_second_process_on_the_folder(serving: Serving) -> None:
    serving.start()
    second = Serving(serving.data)
    second.data.with_name("data.log").rename(serving.data.with_name("first.log"))
    second.spawn()
    assert second.wait() == 1
    assert_one_line(second.text(), f"is in use by process {serving.running.pid}", "--data")
    assert serving.get("/add") == "1"
    assert serving.stop() == 0


def test_folder_is_a_file(serving: Serving) -> None:
    serving.data.write_text("in its place")
    serving.spawn()
    assert serving.wait() == 1
    assert_one_line(serving.text(), "cannot be used (it is a file)", "--data")


def test_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in its place")
    command = [sys.executable, "-m", "longshore", "migrate", "--data", str(tmp_path / "file/data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert_one_line(done.stderr, "cannot be used (Not a directory)", "--data")


def test_an_application_that_cannot_start_ends_the_service(serving: Serving) -> None:
    serving.target = "tests.support.processes:broken_app"
    serving.spawn()
    assert serving.wait() == 1
    assert "broken on purpose" in serving.text()
    # The other worker may have its say behind it.
    assert "longshore: the workers ended; the reason stands above\n" in serving.text()
    assert postgres_processes(serving.data) == []


def test_an_application_that_says_why_it_cannot_start(serving: Serving) -> None:
    serving.target = "tests.support.processes:misused_app"
    serving.spawn()
    assert serving.wait() == 1
    assert "longshore: the storage does not answer; check --blobs\n" in serving.text()
    assert "Traceback" not in serving.text()


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["serve", "--port", "eighty"], 2, "--port: expected a whole number from 1 to 65_535"),
        (["serve", "--host", "nowhere.invalid"], 1, "'nowhere.invalid' is not known"),
        (["serve", "--host", "192.0.2.1"], 1, "192.0.2.1 is no address of this machine"),
        (["migrate", "--database", "postgresql://u:secret@127.0.0.1:1/x"], 1, "does not answer"),
    ],
)
def test_a_wrong_call_is_told_in_one_line(
    tmp_path: Path, arguments: list[str], code: int, part: str
) -> None:
    command = [sys.executable, "-m", "longshore", *arguments, "--data", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert_one_line(done.stderr, part)
    assert "secret" not in done.stderr
    assert done.stdout == ""
