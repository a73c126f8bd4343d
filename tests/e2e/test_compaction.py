"""Small packs are merged while the service runs, and by a command; nobody notices."""

import concurrent.futures
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_rebuild import command
from tests.support import synthetic
from tests.support.related import parts
from tests.support.service import Service, running

COUNT = 60
SERIES = f"/v2/studies/{synthetic.uids(1)[0]}/series/{synthetic.uids(1)[1]}"
MULTIPART = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


def store(url: str, *, series: int = 1) -> None:
    """Stores a series instance by instance."""
    with httpx.Client(base_url=url, timeout=60) as client:
        for number in range(1, COUNT + 1):
            headers = {"Content-Type": "application/dicom"}
            file = synthetic.ct(number, series=series)
            assert client.post("/v2/studies", content=file, headers=headers).status_code == 200


def series_files(client: httpx.Client) -> list[bytes]:
    answer = client.get(SERIES, headers=MULTIPART)
    assert answer.status_code == 200, answer.text
    return sorted(part.content for part in parts(answer))


def pack_count(service: Service) -> int:
    return len(list((service.data / "blobs" / "packs").rglob("*.zip")))


def read(url: str, is_over: threading.Event) -> int:
    """Reads the series again and again; returns how often."""
    expected = sorted(synthetic.ct(number) for number in range(1, COUNT + 1))
    count = 0
    with httpx.Client(base_url=url, timeout=60) as client:
        while not is_over.is_set():
            assert series_files(client) == expected
            assert len(client.get(f"{SERIES}/metadata").json()) == COUNT
            count += 1
    return count


@pytest.mark.timeout(180)
def test_merging_while_the_service_stores_and_retrieves(tmp_path: Path) -> None:
    rules = ["--merge-rest-s", "1", "--sweep-interval-s", "0.2", "--sweep-grace-s", "2"]
    rules += ["--deleted-retention-s", "0", "--workers", "2"]
    with running(tmp_path / "data", *rules) as service:
        store(service.url)
        is_over = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read, service.url, is_over) for _ in range(2)]
            try:
                store(service.url, series=2)
                deadline = time.monotonic() + 60
                while pack_count(service) > 12 and time.monotonic() < deadline:
                    time.sleep(0.1)
            finally:
                is_over.set()
            assert all(reader.result() > 0 for reader in readers)
        assert pack_count(service) <= 12


@pytest.mark.timeout(180)
def test_the_command_merges(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as service:
        store(service.url)
    rules = ["--merge-rest-s", "0", "--sweep-grace-s", "0", "--deleted-retention-s", "0"]
    said = command("compact", data, *rules)
    assert f"with {COUNT} instances merged into 1;" in said, said
    assert "0 instances merged" in command("compact", data, *rules)
    with running(data) as service, httpx.Client(base_url=service.url, timeout=60) as client:
        assert pack_count(service) == 1
        files = sorted(synthetic.ct(number) for number in range(1, COUNT + 1))
        assert series_files(client) == files
