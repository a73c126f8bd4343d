"""The disk of the blobs is full, or takes no writes: errors instead of false acknowledgements.

Readers are served meanwhile, and nobody has to start anything when the cause is gone.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import synthetic
from tests.support.disk import BALLAST_BYTES, Disk, small_disk
from tests.support.leftovers import assert_no_orphans, wait_until_swept
from tests.support.load import (
    Pushers,
    check_all,
    check_one,
    is_healthy,
    pushers,
    pushing,
    wait_for,
)
from tests.support.service import Service, running
from tests.support.stow import multipart

FULL = "the storage is full; make room, nothing was stored"
OPTIONS = ["--workers", "2", "--sweep-interval-s", "0.5", "--sweep-grace-s", "30"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def service(tmp_path: Path, disk: Disk) -> Iterator[Service]:
    blobs = ["--blobs", f"file://{disk.folder}", "--part-bytes-max-in-memory", "64KiB"]
    with running(tmp_path / "data", *OPTIONS, *blobs) as service:
        yield service


def wait_until_refused(fleet: Pushers, text: str) -> None:
    """Waits until errors of that text come, and then until nothing is acknowledged any more."""
    wait_for(lambda: fleet.texts[text] > 0)
    before = -1
    while before != fleet.acknowledged_count:
        before, seen = fleet.acknowledged_count, fleet.texts[text]
        wait_for(lambda seen=seen: fleet.texts[text] >= seen + 2 * len(fleet.every))


def check_readers(service: Service, fleet: Pushers) -> None:
    """Search and Retrieve know nothing of it."""
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for path in sorted(fleet.acknowledged)[:20]:
            check_one(client, path, fleet.sent[path])
            found = client.get("/v2/instances", params={"SOPInstanceUID": path.rpartition("/")[2]})
            assert found.status_code == 200
            assert len(found.json()) == 1


@pytest.mark.timeout(300)
def test_stores_go_on_when_the_disk_takes_writes_again(disk: Disk, service: Service) -> None:
    fleet = pushers(3)
    with pushing(service.url, fleet):
        fleet.wait_until_moving()
        disk.fill()
        wait_until_refused(fleet, FULL)
        check_readers(service, fleet)
        disk.make_room()
        fleet.wait_until_moving()
        disk.make_read_only()
        wait_until_refused(fleet, disk.read_only_text)
        check_readers(service, fleet)
        assert not is_healthy(service)
        disk.make_writable()
        fleet.wait_until_moving()
    assert is_healthy(service)
    check_all(service, fleet)
    assert_no_orphans(service)
    assert set(fleet.statuses) <= {200, 202, 409, 503}, fleet.statuses
    wait_until_swept(service, disk.folder)
    check_all(service, fleet)


@pytest.mark.timeout(120)
def test_a_long_instance_that_does_not_fit(disk: Disk, service: Service) -> None:
    head, length = synthetic.large(1, 2 * BALLAST_BYTES)
    headers = {"Content-Type": "application/dicom"}
    with httpx.Client(base_url=service.url, timeout=60, headers=headers) as client:
        disk.fill()
        answer = client.post("/v2/studies", content=head + bytes(length))
        assert answer.status_code == 503, answer.text
        assert answer.text == FULL
        assert "Retry-After" in answer.headers
        assert list((disk.folder / "unfinished").iterdir()) == [], "its bytes were given back"
        assert client.get(f"/v2{synthetic.path(1)}").status_code == 404
        disk.make_room()
        small = synthetic.ct(1, rows=512)
        answer = client.post("/v2/studies", content=small)
        assert answer.status_code == 200, answer.text


@pytest.mark.timeout(180)
def test_batches_that_fail_while_they_fill_leave_nothing_counted(tmp_path: Path) -> None:
    """What came behind the failed write is let go of too; else the service seems full for good."""
    limits = ["--in-flight-bytes-max", "16MiB", "--batch-bytes-max", "16MiB", "--workers", "1"]
    with small_disk(tmp_path / "disk") as disk:
        blobs = ["--blobs", f"file://{disk.folder}"]
        with (
            running(tmp_path / "data", *limits, *blobs) as service,
            httpx.Client(base_url=service.url, timeout=60) as client,
        ):
            disk.fill()
            files = [synthetic.ct(number, rows=512) for number in range(1, 25)]
            content_type, body = multipart(files)
            headers = {"Content-Type": content_type}
            for _ in range(100):
                answer = client.post("/v2/studies", content=body, headers=headers)
                assert (answer.status_code, answer.text) == (503, FULL)
            disk.make_room()
            answer = client.post("/v2/studies", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            for number, file in enumerate(files, 1):
                path = f"/v2{synthetic.path(number)}"
                got = client.get(path, headers={"Accept": "application/dicom"})
                assert got.content == file
