"""A 3 GB instance is stored and retrieved in little memory."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support import synthetic
from tests.support.service import Service, running

PIXEL_BYTES = 3 * 1024**3
GROWTH_BYTES_MAX = 64 * 1024**2
STUDY = f"/v2/studies/{synthetic.uids(1)[0]}"
CHUNK = bytes(range(256)) * 4096
"""1 MiB that repeats."""


def file_chunks() -> Iterator[bytes]:
    """Yields the file: its head, then 3 GiB of pixel data."""
    head, length = synthetic.large(1, PIXEL_BYTES)
    yield head
    for _ in range(length // len(CHUNK)):
        yield CHUNK


class Watch:
    """Notes the most memory that any worker has at any time."""

    def __init__(self, service: Service) -> None:
        assert service.process is not None
        parent = psutil.Process(service.process.pid)
        self._workers = [child for child in parent.children() if "postgres" not in child.name()]
        assert self._workers
        self._at_first = {worker.pid: self._resident(worker) for worker in self._workers}
        self.growth_bytes_max = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    @staticmethod
    def _resident(worker: psutil.Process) -> int:
        # Anonymous memory: pages of files that the kernel maps are not the worker's.
        return int(worker.memory_full_info().uss)

    def _run(self) -> None:
        while not self._is_over.is_set():
            for worker in self._workers:
                growth = self._resident(worker) - self._at_first[worker.pid]
                self.growth_bytes_max = max(self.growth_bytes_max, growth)
            time.sleep(0.02)


def warm(client: httpx.Client) -> None:
    """Has every worker store and retrieve once, so that what is loaded lazily is loaded."""
    for number in range(100, 140):
        headers = {"Content-Type": "application/dicom"}
        client.post("/v2/studies", content=synthetic.ct(number), headers=headers)
        client.get(f"/v2{synthetic.path(number)}", headers={"Accept": "application/dicom"})


@pytest.mark.timeout(600)
def test_a_3_gb_instance_needs_little_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = hashlib.sha256()
    with (
        running(tmp_path / "data", "--workers", "1") as service,
        httpx.Client(base_url=service.url, timeout=300) as client,
    ):
        warm(client)
        with Watch(service) as watch:
            head, _ = synthetic.large(1, PIXEL_BYTES)
            length = len(head) + PIXEL_BYTES

            def hashed() -> Iterator[bytes]:
                for chunk in file_chunks():
                    expected.update(chunk)
                    yield chunk

            headers = {"Content-Type": "application/dicom", "Content-Length": str(length)}
            answer = client.post("/v2/studies", content=hashed(), headers=headers)
            assert answer.status_code == 200, answer.text
            found = hashlib.sha256()
            accept = {"Accept": "application/dicom"}
            with client.stream("GET", f"/v2{synthetic.path(1)}", headers=accept) as stream:
                assert stream.headers["content-length"] == str(length)
                for chunk in stream.iter_raw(1024**2):
                    found.update(chunk)
            for path, accept_text in (
                (STUDY, "application/zip"),
                (STUDY, 'multipart/related; type="application/dicom"'),
            ):
                headers = {"Accept": accept_text}
                with client.stream("GET", path, headers=headers) as stream:
                    whole = int(stream.headers["content-length"])
                    assert whole >= PIXEL_BYTES
                    assert sum(map(len, stream.iter_raw(1024**2))) == whole
        assert found.digest() == expected.digest()
        stop_reading(service, length)
        with capsys.disabled():
            growth = watch.growth_bytes_max / 1024**2
            text = (
                f"3 GiB stored, and retrieved in three forms: the worker grew by {growth:.1f} MiB"
            )
            print(f"\n{text}")  # noqa: T201
        assert watch.growth_bytes_max < GROWTH_BYTES_MAX


def stop_reading(service: Service, length: int) -> None:
    """A client that asks for 3 GiB and never reads costs no memory either."""
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        path = f"/v2{synthetic.path(1)}"
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: application/dicom\r\n\r\n"
        connection.sendall(request.encode())
        with Watch(service) as watch:
            time.sleep(2)
        assert watch.growth_bytes_max < GROWTH_BYTES_MAX
        assert length > 2 * GROWTH_BYTES_MAX
