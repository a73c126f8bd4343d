"""A reader that polls the change feed under eight writers misses nothing and sees nothing twice."""

import concurrent.futures
import random
import threading
from typing import Any

import httpx
import pytest

from tests.support import synthetic
from tests.support.service import Service
from tests.support.stow import multipart

WRITERS = 8
REQUESTS = 40


def write(url: str, series: int) -> int:
    """Stores requests of one to five instances, some refused, some deleted again.

    Returns:
        How many changes that makes.
    """
    chance = random.Random(series)  # noqa: S311 - the same requests in every run
    changes = number = 0
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(REQUESTS):
            count = chance.randint(1, 5)
            numbers = range(number + 1, number + 1 + count)
            number += count
            files = [synthetic.ct(each, series=series) for each in numbers]
            # A duplicate and garbage make the batch of one writer the refusals of another.
            files += [b"garbage", synthetic.ct(1, series=series)][: chance.randint(0, 2)]
            content_type, body = multipart(files)
            headers = {"Content-Type": content_type}
            answer = client.post("/v2/studies", content=body, headers=headers)
            assert answer.status_code in {200, 202}, answer.text
            changes += len(answer.json()["00081199"]["Value"])
            if chance.random() < 0.2:
                path = synthetic.path(number, series=series)
                assert client.delete(f"/v2{path}").status_code == 204
                changes += 1
    return changes


class Poller:
    """Reads v1's feed by watermark and v2's by time, over and over, until told to stop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_over = threading.Event()
        self.entries: list[dict[str, Any]] = []

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while True:
                is_last = self._is_over.is_set()
                while self._read(client):
                    pass
                if is_last:
                    return

    def stop(self) -> None:
        self._is_over.set()

    def _read(self, client: httpx.Client) -> bool:
        last = self.entries[-1]["sequence"] if self.entries else 0
        parameters = {"offset": last, "limit": 100, "includeMetadata": "false"}
        page = client.get("/v1/changefeed", params=parameters).json()
        self.entries += page
        return bool(page)


@pytest.mark.timeout(300)
def test_polling_under_eight_writers(service: Service) -> None:
    poller = Poller(service.url)
    with concurrent.futures.ThreadPoolExecutor(WRITERS + 1) as pool:
        polling = pool.submit(poller.run)
        writing = [pool.submit(write, service.url, series) for series in range(1, WRITERS + 1)]
        expected = sum(each.result() for each in writing)
        poller.stop()
        polling.result()
    sequences = [entry["sequence"] for entry in poller.entries]
    assert sequences == list(range(1, expected + 1))
    times = [entry["timestamp"] for entry in poller.entries]
    assert times == sorted(times)
    with httpx.Client(base_url=service.url, timeout=60) as client:
        paged: list[dict[str, Any]] = []
        while True:
            parameters = {"offset": len(paged), "limit": 200, "includeMetadata": "false"}
            page = client.get("/v2/changefeed", params=parameters).json()
            if not page:
                break
            paged += page
        assert [entry["sequence"] for entry in paged] == sequences


@pytest.mark.timeout(300)
def test_the_same_instances_from_many_clients_are_stored_once(service: Service) -> None:
    rounds, clients = 30, 4

    def push(number: int) -> tuple[int, int]:
        numbers = range(number * 10, number * 10 + 10)
        files = [synthetic.ct(each, study=7) for each in numbers]
        content_type, body = multipart(files)
        headers = {"Content-Type": content_type}
        answer = httpx.post(f"{service.url}/v2/studies", content=body, headers=headers, timeout=60)
        assert answer.status_code in {200, 202, 409}, answer.text
        items = answer.json().get("00081198", {}).get("Value", [])
        assert {item["00081197"]["Value"][0] for item in items} <= {45070}
        return len(answer.json().get("00081199", {}).get("Value", [])), len(items)

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for number in range(1, rounds + 1):
            told = [each.result() for each in [pool.submit(push, number) for _ in range(clients)]]
            assert sum(stored for stored, _ in told) == 10
            assert sum(refused for _, refused in told) == 10 * (clients - 1)
    with httpx.Client(base_url=service.url, timeout=60) as client:
        study_uid = synthetic.uids(1, study=7)[0]
        (study,) = client.get("/v2/studies", params={"StudyInstanceUID": study_uid}).json()
        assert study["00201208"]["Value"] == [rounds * 10]
