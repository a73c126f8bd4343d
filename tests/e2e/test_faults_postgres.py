"""The embedded PostgreSQL ends alone, under load: the service starts it again, and goes on."""

import concurrent.futures
import contextlib
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support import synthetic
from tests.support.leftovers import assert_no_orphans
from tests.support.load import Pushers, check_all, is_healthy, pushers, pushing, wait_for
from tests.support.processes import Serving, postgres_processes
from tests.support.service import Service, running
from tests.support.stow import multipart


def postmaster_pid(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().split()[0])


def strike(service: Service, fleet: Pushers, stop_signal: signal.Signals) -> None:
    """Ends PostgreSQL's first process, and waits until Stores are acknowledged by the next one."""
    before = postmaster_pid(service.data)
    fleet.wait_until_moving()
    os.kill(before, stop_signal)
    wait_for(lambda: postmaster_pid_or_none(service.data) not in (None, before))
    fleet.wait_until_moving()


def postmaster_pid_or_none(data: Path) -> int | None:
    try:
        return postmaster_pid(data)
    except (FileNotFoundError, IndexError):
        return None


@pytest.mark.timeout(300)
def test_stores_go_on_when_postgres_ends(tmp_path: Path) -> None:
    fleet = pushers(3)
    with running(tmp_path / "data", "--workers", "2") as service:
        at_first = service.workers()
        with pushing(service.url, fleet):
            strike(service, fleet, signal.SIGKILL)
            strike(service, fleet, signal.SIGQUIT)  # at once, as in a crash
            strike(service, fleet, signal.SIGINT)  # restarted: sessions are told, and end
            fleet.wait_until_moving()
            backends = [
                each
                for each in postgres_processes(service.data)
                if each.pid != postmaster_pid(service.data)
            ]
            for each in backends:
                with contextlib.suppress(psutil.NoSuchProcess):  # they end when one is killed
                    each.kill()
            fleet.wait_until_moving()
        assert service.workers() == at_first, "no worker needed to be replaced"
        check_all(service, fleet)
        assert_no_orphans(service)
        log = service.log.read_text()
    assert set(fleet.statuses) <= {200, 202, 409, 503}, fleet.statuses
    assert "longshore: PostgreSQL ended (SIGKILL); it is started again in 0 s\n" in log
    assert "longshore: PostgreSQL ended (exit code 0); it is started again in 1 s\n" in log
    assert log.count("longshore: PostgreSQL answers again\n") == 3
    assert postgres_processes(tmp_path / "data") == []


@pytest.mark.timeout(300)
def test_readers_only_wait_when_postgres_ends(tmp_path: Path) -> None:
    """Where a frame lies is asked again, of the next server."""
    statuses: Counter[int] = Counter()
    with running(tmp_path / "data", "--workers", "2") as service:
        content_type, body = multipart([synthetic.ct(1, rows=64)])
        url = f"{service.url}/v2{synthetic.path(1)}/frames/1"
        stored = httpx.post(
            f"{service.url}/v2/studies",
            content=body,
            headers={"Content-Type": content_type, "Accept": "application/dicom+json"},
        )
        assert stored.status_code == 200
        is_over = threading.Event()

        def read() -> None:
            with httpx.Client(timeout=60) as client:
                while not is_over.is_set():
                    statuses[client.get(url, headers={"Accept": "*/*"}).status_code] += 1

        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            readers = [threads.submit(read) for _ in range(4)]
            try:
                for stop_signal in (signal.SIGKILL, signal.SIGINT):
                    before, count = postmaster_pid(service.data), statuses.total()
                    wait_for(lambda: statuses.total() > count + 100)  # noqa: B023
                    os.kill(before, stop_signal)
                    wait_for(lambda: postmaster_pid_or_none(service.data) not in (None, before))  # noqa: B023
                count = statuses.total()
                wait_for(lambda: statuses.total() > count + 100)
            finally:
                is_over.set()
            for each in readers:
                each.result()
    assert set(statuses) == {200}


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    serving = Serving(tmp_path / "data")
    serving.start()
    yield serving
    serving.kill()


def test_a_stop_while_it_is_started_again_leaves_nothing(serving: Serving) -> None:
    for pause_s in (0.0, 0.1, 0.3):
        os.kill(postmaster_pid(serving.data), signal.SIGKILL)
        time.sleep(pause_s)
        assert serving.stop() == 0
        assert "Traceback" not in serving.text()
        assert postgres_processes(serving.data) == []
        serving.start()
    assert serving.stop() == 0


@pytest.mark.timeout(120)
def test_one_that_cannot_start_is_tried_at_a_bounded_rate(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--workers", "1") as service:
        needed = service.data / "postgres" / "global"
        needed.rename(service.data / "global")
        os.kill(postmaster_pid(service.data), signal.SIGKILL)
        killed_at = time.monotonic()
        answer = httpx.get(f"{service.url}/health/check", timeout=30)
        assert answer.status_code == 503
        assert {"name": "database", "status": "Unhealthy"} in answer.json()["details"]
        time.sleep(max(0.0, killed_at + 6 - time.monotonic()))
        count = service.log.read_text().count("PostgreSQL did not start (")
        assert 1 <= count <= 4, "it is tried after 1, 2 and 4 seconds"
        (service.data / "global").rename(needed)
        wait_for(lambda: is_healthy(service))
        wait_for(lambda: "PostgreSQL answers again" in service.log.read_text())


def test_a_stop_ends_the_pause_before_the_next_try(serving: Serving) -> None:
    shutil.rmtree(serving.data / "postgres" / "global")
    os.kill(postmaster_pid(serving.data), signal.SIGKILL)
    wait_for(lambda: "PostgreSQL did not start (" in serving.text())
    assert serving.stop() == 0
    assert postgres_processes(serving.data) == []


def test_a_session_that_outlives_the_server_is_ended_first(serving: Serving) -> None:
    """Two servers on one folder would damage it; PostgreSQL's sessions notice late, when busy."""
    first = postmaster_pid(serving.data)
    every = postgres_processes(serving.data)
    stopped = next(each for each in every if each.pid != first)
    stopped.suspend()
    os.kill(first, signal.SIGKILL)
    time.sleep(1)
    assert postmaster_pid(serving.data) == first, "the next one waits for all of them"
    stopped.resume()
    wait_for(lambda: "PostgreSQL answers again" in serving.text())
    assert serving.get("/add") == "1"
    assert serving.stop() == 0


def test_a_start_waits_for_a_server_that_was_left_and_recovers(serving: Serving) -> None:
    """Its lock file still calls it ready, while it refuses everybody."""
    assert serving.get("/add") == "1"
    first = psutil.Process(postmaster_pid(serving.data))
    os.kill(serving.running.pid, signal.SIGKILL)
    serving.wait()
    for each in children_titled(first, "checkpointer"):
        each.kill()
    wait_for(lambda: children_titled(first, "startup") != [])
    recovering = children_titled(first, "startup")
    for each in recovering:
        each.suspend()
    serving.spawn()
    time.sleep(3)
    assert serving.running.poll() is None, serving.text()
    assert "serves on" not in serving.text()
    for each in recovering:
        each.resume()
    wait_for(lambda: "serves on" in serving.text())
    assert serving.get("/add") == "2"
    assert serving.stop() == 0
    assert postgres_processes(serving.data) == []


def children_titled(process: psutil.Process, word: str) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for each in process.children():
        with contextlib.suppress(psutil.Error):
            if f": {word}" in " ".join(each.cmdline()):
                found.append(each)
    return found
