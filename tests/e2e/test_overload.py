"""More than can be served at once: some are told to come again, everybody else is served."""

import contextlib
import socket
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import httpx
import pytest

from longshore.blobs.output import BUFFER_BYTES, BUFFER_COUNT
from longshore.services.store import SHORT_PART_BYTES
from tests.support import synthetic
from tests.support.load import is_healthy, pushers, pushing, wait_for
from tests.support.memory import MIB, Memory
from tests.support.service import Service, running
from tests.support.sockets import connect, status_of, store_head

DICOM_TYPE = "application/dicom"
DICOM = {"Content-Type": DICOM_TYPE}
KNOWN = 900
"""The number of an instance that is there from the start."""


def client_of(service: Service) -> httpx.Client:
    return httpx.Client(base_url=service.url, timeout=60)


def store(client: httpx.Client, number: int, *, rows: int = 16) -> httpx.Response:
    return client.post("/v2/studies", content=synthetic.ct(number, rows=rows), headers=DICOM)


def check_readers(client: httpx.Client) -> None:
    """Search and Retrieve are served, whatever Store does."""
    found = client.get("/v2/studies", params={"StudyInstanceUID": synthetic.uids(KNOWN)[0]})
    assert (found.status_code, len(found.json())) == (200, 1)
    answer = client.get(f"/v2{synthetic.path(KNOWN)}", headers={"Accept": DICOM_TYPE})
    assert answer.status_code == 200
    assert answer.content == synthetic.ct(KNOWN)
    metadata = client.get(f"/v2{synthetic.path(KNOWN)}/metadata")
    assert metadata.status_code == 200


@contextlib.contextmanager
def stalled(
    service: Service, files: Sequence[bytes], *, left: int
) -> Generator[list[socket.socket]]:
    """Stores that are all under way, and have then sent all but the last bytes of their body."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(service)) for _ in files]
        for part in (slice(1024), slice(1024, -left)):
            for connection, file in zip(connections, files, strict=True):
                head = store_head(len(file)) if part.start is None else b""
                connection.sendall(head + file[part])
            time.sleep(0.5)
        yield connections


@pytest.mark.timeout(180)
def test_above_the_limit_stores_come_again_and_readers_are_served(tmp_path: Path) -> None:
    """Parts as short as these are kept in memory, whatever the limit says: there are too many."""
    files = [synthetic.ct(number, rows=176) for number in range(1, 41)]
    assert len(files[0]) < SHORT_PART_BYTES
    options = ["--workers", "1", "--in-flight-bytes-max", "2MiB"]
    with running(tmp_path / "data", *options) as service, client_of(service) as client:
        assert store(client, KNOWN).status_code == 200
        with stalled(service, files, left=1000) as connections:
            number = iter(range(1000, 2000))
            wait_for(lambda: store(client, next(number)).status_code == 503)
            with Memory(service) as memory:
                for _ in range(30):
                    answer = store(client, next(number))
                    assert answer.status_code == 503
                    assert answer.headers["Retry-After"] == "2"
                    assert "too many Store requests are under way" in answer.text
                    check_readers(client)
            assert memory.growth_bytes < 16 * MIB
            for connection, file in zip(connections, files, strict=True):
                connection.sendall(file[-1000:])
            assert [status_of(connection) for connection in connections] == [200] * len(files)
        assert store(client, next(number)).status_code == 200
        assert is_healthy(service)


@pytest.mark.timeout(180)
def test_long_parts_leave_memory_once_the_limit_is_reached(tmp_path: Path) -> None:
    """They go to packs of their own, so that whoever comes next is served."""
    files = [synthetic.ct(number, rows=1024) for number in range(1, 5)]
    options = ["--workers", "1", "--in-flight-bytes-max", "7MiB"]
    with running(tmp_path / "data", *options) as service, client_of(service) as client:
        assert store(client, KNOWN).status_code == 200
        with stalled(service, files, left=1000) as connections:
            wait_for(lambda: store(client, KNOWN + 1).status_code in (200, 409))
            for connection, file in zip(connections, files, strict=True):
                connection.sendall(file[-1000:])
            assert [status_of(connection) for connection in connections] == [200] * len(files)
        for number, file in enumerate(files, 1):
            answer = client.get(f"/v2{synthetic.path(number)}", headers={"Accept": DICOM_TYPE})
            assert answer.content == file


@pytest.mark.timeout(180)
def test_stores_that_begin_together_stay_within_the_limit(tmp_path: Path) -> None:
    """All are let in while nothing is under way; then each of them sends what it has."""
    file = synthetic.ct(1, rows=1448)
    count = 60
    limit = 16 * MIB
    options = ["--workers", "1", "--in-flight-bytes-max", str(limit)]
    with running(tmp_path / "data", *options) as service, client_of(service) as client:
        assert store(client, KNOWN).status_code == 200
        with contextlib.ExitStack() as stack, Memory(service) as memory:
            connections = [stack.enter_context(connect(service)) for _ in range(count)]
            for connection in connections:
                connection.sendall(store_head(len(file)) + file[:1024])
            left = {connection: memoryview(file)[1024:-1000] for connection in connections}
            for connection in connections:
                connection.setblocking(False)
            quiet_since = time.monotonic()
            while left and time.monotonic() < quiet_since + 2:
                for connection in list(left):
                    try:
                        sent = connection.send(left[connection][: 256 * 1024])
                    except BlockingIOError:  # it is not read from
                        continue
                    except ConnectionError:  # it is told to come again
                        del left[connection]
                        continue
                    quiet_since = time.monotonic()
                    left[connection] = left[connection][sent:]
                    if not left[connection]:
                        del left[connection]
                check_readers(client)
            assert len(file) * count > 10 * limit
            # The limit, what files are written from, what granian reads ahead for each connection,
            # and what the heap wastes.
            buffers = BUFFER_COUNT * BUFFER_BYTES
            assert memory.growth_bytes < limit + buffers + count * MIB // 2 + 96 * MIB
        wait_for(lambda: store(client, 1).status_code in (200, 409))


@pytest.mark.timeout(180)
def test_readers_are_served_while_stores_take_all_they_can(tmp_path: Path) -> None:
    fleet = pushers(6, rows=512)
    options = ["--workers", "1", "--in-flight-bytes-max", "4MiB", "--batch-bytes-max", "4MiB"]
    with running(tmp_path / "data", *options) as service, client_of(service) as client:
        assert store(client, KNOWN).status_code == 200
        with Memory(service) as memory, pushing(service.url, fleet):
            fleet.wait_until_moving()
            for _ in range(40):
                check_readers(client)
            assert is_healthy(service)
            fleet.wait_until_moving()
        assert set(fleet.statuses) <= {200, 503}, fleet.statuses
        assert memory.growth_bytes < 128 * MIB


@pytest.mark.timeout(180)
def test_two_hundred_slow_stores_at_once(tmp_path: Path) -> None:
    files = {number: synthetic.ct(number, rows=256) for number in range(1, 201)}
    with running(tmp_path / "data", "--workers", "1") as service, client_of(service) as client:
        assert store(client, KNOWN).status_code == 200
        with contextlib.ExitStack() as stack, Memory(service) as memory:
            connections = {n: stack.enter_context(connect(service)) for n in files}
            for number, connection in connections.items():
                connection.sendall(store_head(len(files[number])))
            for at in range(0, 40_000, 4_000):  # some 4 KB at a time
                for number, connection in connections.items():
                    connection.sendall(files[number][at : at + 4_000])
                check_readers(client)
                assert store(client, 1_000 + at).status_code == 200
            for number, connection in connections.items():
                connection.sendall(files[number][40_000:])
            statuses = {status_of(connection) for connection in connections.values()}
        assert statuses == {200}
        assert memory.most_bytes < 400 * MIB
        for number, file in files.items():
            answer = client.get(f"/v2{synthetic.path(number)}", headers={"Accept": "*/*"})
            assert file in answer.content
