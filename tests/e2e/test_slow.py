"""Clients that stop, trickle, never read, or go away: each ends, and nobody else notices."""

import contextlib
import resource
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import synthetic
from tests.support.load import wait_for
from tests.support.memory import MIB, Memory, descriptor_count
from tests.support.service import Service, running
from tests.support.sockets import (
    connect,
    get_head,
    http2_get,
    is_ended,
    status_of,
    store_head,
)
from tests.support.stow import multipart

CONNECTIONS_PER_WORKER = 1_000
CLIENTS = 40
SPARE = 20
"""Descriptors that a worker opens in its own time: connections to PostgreSQL, blobs."""
DICOM = {"Content-Type": "application/dicom"}


def begin(service: Service, body: bytes, content_type: str, *, length: int) -> socket.socket:
    """Sends a Store request's head and the first bytes of its body."""
    connection = connect(service)
    connection.sendall(store_head(length, content_type) + body)
    return connection


@pytest.mark.timeout(120)
def test_a_store_that_stops_is_ended_and_nothing_is_left(tmp_path: Path) -> None:
    content_type, body = multipart([synthetic.ct(1), synthetic.ct(2, rows=512)])
    half = body[: len(body) // 2]
    options = ["--upload-idle-s-max", "0.5", "--part-bytes-max-in-memory", "4KiB"]
    with running(tmp_path / "data", *options) as service:
        with begin(service, half, content_type, length=len(body)) as connection:
            answer = connection.recv(4096).decode()
        assert answer.startswith("HTTP/1.1 408 "), answer
        assert "fewer than 512 bytes came within 0.5 seconds" in answer
        begin(service, half, content_type, length=len(body)).close()
        with httpx.Client(base_url=service.url, timeout=30) as client:
            # The instance that came whole before the stop is stored, and refused again now.
            headers = {"Content-Type": content_type}
            again = client.post("/v2/studies", content=body, headers=headers)
            assert again.status_code == 202, again.text
            stored = again.json()["00081199"]["Value"]
            assert [item["00081155"]["Value"] for item in stored] == [[synthetic.uids(2)[2]]]
        unfinished = list((tmp_path / "data" / "blobs" / "unfinished").iterdir())
        assert unfinished == [], "what was half written is gone"


@pytest.mark.timeout(120)
def test_a_store_of_a_byte_at_a_time_is_ended(tmp_path: Path) -> None:
    file = synthetic.ct(1)
    options = ["--upload-idle-s-max", "1", "--upload-bytes-per-s-min", "1KiB"]
    with (
        running(tmp_path / "data", *options) as service,
        begin(service, file[:1], "application/dicom", length=len(file)) as connection,
    ):
        begun_at = time.monotonic()
        at = 1
        while not select.select([connection], [], [], 0.1)[0]:
            assert time.monotonic() < begun_at + 30, "it is never idle, but it must end"
            connection.sendall(file[at : at + 1])
            at += 1
        assert status_of(connection) == 408
        assert is_ended(connection)


@pytest.mark.timeout(180)
def test_clients_that_never_read_are_cut_off(tmp_path: Path) -> None:
    options = ["--workers", "1", "--download-idle-s-max", "1"]
    file = synthetic.ct(1, rows=4096)  # 32 MiB, more than all buffers on the way hold
    small = synthetic.ct(2, rows=1448)  # 4 MiB, which they take over whole
    with (
        running(tmp_path / "data", *options) as service,
        httpx.Client(base_url=service.url, timeout=60, headers=DICOM) as client,
    ):
        for each in (file, small):
            assert client.post("/v2/studies", content=each).status_code == 200
        (worker,) = service.workers()
        before = descriptor_count(worker)
        peaks: list[int] = []
        for _ in range(3):
            with contextlib.ExitStack() as stack, Memory(service) as memory:
                for number in [1, 2] * (CLIENTS // 2):
                    connection = stack.enter_context(connect(service))
                    connection.sendall(get_head(f"/v2{synthetic.path(number)}"))
                wait_for(lambda: descriptor_count(worker) >= before + CLIENTS)
                wait_for(lambda: is_served(client) and descriptor_count(worker) < before + SPARE)
            peaks.append(memory.most_bytes)
        assert peaks[-1] < peaks[0] + 64 * MIB, "what one turn takes, the next one has again"


def is_served(client: httpx.Client) -> bool:
    answer = client.get(f"/v2{synthetic.path(2)}/metadata")
    assert answer.status_code == 200
    return True


@pytest.mark.timeout(120)
def test_a_stream_that_nobody_reads_ends_its_request(tmp_path: Path) -> None:
    """HTTP/2: the connection is read, one stream of it is given no room."""
    options = ["--workers", "1", "--download-idle-s-max", "1"]
    with running(tmp_path / "data", *options) as service:
        (worker,) = service.workers()

        def opened() -> list[str]:
            return [each.path for each in worker.open_files() if each.path.endswith(".zip")]

        file = synthetic.ct(1, rows=4096)
        httpx.post(f"{service.url}/v2/studies", content=file, headers=DICOM, timeout=60)
        with connect(service) as connection:
            connection.sendall(http2_get(f"/v2{synthetic.path(1)}"))
            wait_for(lambda: opened() != [])
            wait_for(lambda: opened() == [])
        assert "ended a stream whose client had stopped" in service.log.read_text()


@pytest.mark.timeout(120)
def test_one_that_reads_slowly_but_reads_is_served(tmp_path: Path) -> None:
    options = ["--workers", "1", "--download-idle-s-max", "1"]
    with running(tmp_path / "data", *options) as service:
        file = synthetic.ct(1, rows=2048)
        httpx.post(f"{service.url}/v2/studies", content=file, headers=DICOM, timeout=60)
        with connect(service) as connection:
            connection.sendall(get_head(f"/v2{synthetic.path(1)}"))
            read = b""
            begun_at = time.monotonic()
            while len(read) < len(file):
                chunk = connection.recv(256 * 1024)
                assert chunk, "it was cut off"
                read += chunk
                time.sleep(0.1)
        assert read.endswith(file[-1024:])
        assert time.monotonic() > begun_at + 2, "longer than it may be idle"


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may open as many connections as it likes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("many_files")
def test_connections_without_a_request_end_and_let_others_in(tmp_path: Path) -> None:
    starts = [b"", b"P", b"GET /v2/stud", b"GET /v2/studies HTTP/1.1\r\nHost: x\r\nX-Slow: "]
    with running(tmp_path / "data", "--workers", "1", "--header-s-max", "1") as service:
        (worker,) = service.workers()
        before = descriptor_count(worker)
        with contextlib.ExitStack() as stack:
            connections: list[socket.socket] = []
            for number in range(CONNECTIONS_PER_WORKER + 100):
                connection = stack.enter_context(connect(service))
                connection.sendall(starts[number % len(starts)])
                connections.append(connection)
            # Above the limit it has to wait, until the first of them have been ended.
            assert httpx.get(f"{service.url}/v2/studies", timeout=60).status_code == 204
            for connection in connections:
                assert is_ended(connection)
            wait_for(lambda: descriptor_count(worker) < before + SPARE)


@pytest.mark.timeout(60)
def test_a_header_of_a_byte_at_a_time_is_ended(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--workers", "1", "--header-s-max", "1") as service,
        connect(service) as connection,
    ):
        connection.sendall(b"GET /v2/studies HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        begun_at = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < begun_at + 30:
                connection.sendall(b"a")
                time.sleep(0.1)
        assert time.monotonic() < begun_at + 30
