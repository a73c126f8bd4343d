"""kill -9 during Stores: what was acknowledged is there, byte-equal; nothing half-stored shows."""

import concurrent.futures
import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support import synthetic
from tests.support.ports import free_port
from tests.support.service import Service
from tests.support.stow import multipart

ROUNDS = 20
CLIENTS = 4
PER_REQUEST = 5


@dataclass
class Client:
    """Pushes instances until the service dies; remembers what was acknowledged."""

    number: int
    acknowledged: dict[str, str] = field(default_factory=dict[str, str])
    sent: int = 0

    def push(self, url: str) -> None:
        """Stores requests of several instances until a connection breaks."""
        with httpx.Client(base_url=url, timeout=30) as client:
            while True:
                numbers = range(self.sent + 1, self.sent + 1 + PER_REQUEST)
                self.sent += PER_REQUEST
                files = {n: synthetic.ct(n, series=self.number, rows=128) for n in numbers}
                content_type, body = multipart(list(files.values()))
                headers = {"Content-Type": content_type, "Accept": "application/dicom+json"}
                try:
                    answer = client.post("/v2/studies", content=body, headers=headers)
                except httpx.TransportError:
                    return
                if answer.status_code == 503:
                    continue
                assert answer.status_code == 200, answer.text
                for n, file in files.items():
                    digest = hashlib.sha256(file).hexdigest()
                    self.acknowledged[synthetic.path(n, series=self.number)] = digest


def changes(client: httpx.Client) -> list[dict[str, object]]:
    """Reads the whole change feed as v1 pollers do."""
    found: list[dict[str, object]] = []
    latest = client.get("/v1/changefeed/latest", params={"includeMetadata": "false"})
    last = latest.json()["sequence"] if latest.status_code == 200 else 0
    offset = 0
    while offset < last:
        page = client.get(
            "/v1/changefeed",
            params={"offset": offset, "limit": 100, "includeMetadata": "false"},
        ).json()
        found += page
        offset += 100
    return found


def check(service: Service, clients: Sequence[Client]) -> int:
    """Checks everything that must hold behind a crash; returns the number of instances."""
    with httpx.Client(base_url=f"{service.url}", timeout=60) as client:
        feed = changes(client)
        sequences = [entry["sequence"] for entry in feed]
        assert sequences == list(range(1, len(feed) + 1)), "the change feed has a gap"
        stored = {
            f"/studies/{entry['studyInstanceUid']}/series/{entry['seriesInstanceUid']}"
            f"/instances/{entry['sopInstanceUid']}"
            for entry in feed
        }
        assert len(stored) == len(feed), "an instance was created twice"
        for pusher in clients:
            missing = pusher.acknowledged.keys() - stored
            assert not missing, f"{len(missing)} acknowledged instances are not in the feed"
            for path, digest in pusher.acknowledged.items():
                answer = client.get(f"/v2{path}", headers={"Accept": "application/dicom"})
                assert answer.status_code == 200, path
                assert hashlib.sha256(answer.content).hexdigest() == digest, path
        # What is visible is whole, acknowledged or not.
        study_uid = synthetic.uids(1)[0]
        for path in stored - {path for pusher in clients for path in pusher.acknowledged}:
            answer = client.get(f"/v2{path}", headers={"Accept": "application/dicom"})
            number = int(path.rsplit(".", 1)[1])
            series = int(path.rsplit(".", 2)[1])
            assert answer.content == synthetic.ct(number, series=series, rows=128)
        if stored:
            (study,) = client.get("/v2/studies", params={"StudyInstanceUID": study_uid}).json()
            assert study["00201208"]["Value"] == [len(stored)]
        return len(stored)


@pytest.mark.timeout(900)
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", free_port(), ["--workers", "2", "--sweep-grace-s", "1"])
    clients = [Client(number) for number in range(1, CLIENTS + 1)]
    chance = random.Random(20)  # noqa: S311 - the same moments in every run
    service.start()
    for _ in range(ROUNDS):
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            pushes = [pool.submit(client.push, service.url) for client in clients]
            time.sleep(chance.uniform(0.05, 0.6))
            service.kill()
            for push in pushes:
                push.result()
        service.start()
        check_some(service, clients, chance)
    total = check(service, clients)
    acknowledged = sum(len(client.acknowledged) for client in clients)
    assert acknowledged > ROUNDS
    assert total >= acknowledged
    service.stop()
    assert_swept(service)


def check_some(service: Service, clients: Sequence[Client], chance: random.Random) -> None:
    """Between rounds: a sample, since the whole is checked at the end."""
    with httpx.Client(base_url=f"{service.url}", timeout=60) as client:
        for pusher in clients:
            known = sorted(pusher.acknowledged.items())
            for path, digest in chance.sample(known, min(3, len(known))):
                answer = client.get(f"/v2{path}", headers={"Accept": "application/dicom"})
                assert hashlib.sha256(answer.content).hexdigest() == digest, path


def assert_swept(service: Service) -> None:
    """Every pack that is left on disk is named by the index, and none has a dead entry."""
    before = packs(service)
    service.arguments = [*service.arguments, "--sweep-interval-s", "0.2"]
    service.start()
    deadline = time.monotonic() + 30
    with httpx.Client(base_url=service.url, timeout=60) as client:
        needed = named_packs(service)
        while packs(service) != needed and time.monotonic() < deadline:
            time.sleep(0.2)
        assert packs(service) == needed, "leftover packs were not swept"
        assert needed <= before
        assert client.get("/health/check").status_code == 200
    service.stop()


def packs(service: Service) -> set[str]:
    return {path.stem for path in (service.data / "blobs").rglob("*.zip")}


def named_packs(service: Service) -> set[str]:
    import psycopg

    with psycopg.connect(service.database) as connection:
        rows = connection.execute(
            "SELECT DISTINCT pack_id FROM pack JOIN instance USING (pack_key)"
        )
        return {row[0] for row in rows}
