"""Clients that store under faults, and what must hold of everything that they were told."""

import concurrent.futures
import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import httpx

from tests.support import synthetic
from tests.support.service import Service
from tests.support.stow import multipart

PER_REQUEST = 5
ROWS = 64
DUPLICATE = 45070
SETTLE_S_MAX = 60.0
MOVING_S_MAX = 60.0


@dataclass
class Pusher:
    """Stores instances until it is over, whatever happens to the service; remembers what it heard.

    Attributes:
        number: The series that it fills.
        sent: SHA-256 of every file that was sent, by path.
        acknowledged: Paths of those that a Store answer called stored, or stored already.
        statuses: How often each status came; 0 is a broken connection.
    """

    number: int
    rows: int = ROWS
    sent: dict[str, str] = field(default_factory=dict[str, str])
    acknowledged: set[str] = field(default_factory=set[str])
    statuses: Counter[int] = field(default_factory=Counter[int])
    texts: Counter[str] = field(default_factory=Counter[str])

    def run(self, url: str, is_over: threading.Event) -> None:
        """Stores request after request. One whose answer got lost is sent once more, or left."""
        with httpx.Client(base_url=url, timeout=60) as client:
            while not is_over.is_set():
                first = len(self.sent) + 1
                files = {
                    number: synthetic.ct(number, series=self.number, rows=self.rows)
                    for number in range(first, first + PER_REQUEST)
                }
                for number, file in files.items():
                    self.sent[self._path(number)] = hashlib.sha256(file).hexdigest()
                body = multipart(list(files.values()))
                if not self._store(client, body):
                    is_over.wait(0.05)
                    self._store(client, body)

    def _path(self, number: int) -> str:
        return synthetic.path(number, series=self.number)

    def _store(self, client: httpx.Client, body: tuple[str, bytes]) -> bool:
        """Sends a request; returns whether it was answered by more than an error."""
        headers = {"Content-Type": body[0], "Accept": "application/dicom+json"}
        try:
            answer = client.post("/v2/studies", content=body[1], headers=headers)
        except httpx.TransportError:
            self.statuses[0] += 1
            return False
        self.statuses[answer.status_code] += 1
        if not answer.headers.get("content-type", "").startswith("application/dicom+json"):
            self.texts[answer.text] += 1
            return False
        found = answer.json()
        stored = found.get("00081199", {}).get("Value", [])
        refused = found.get("00081198", {}).get("Value", [])
        there = [each for each in refused if each["00081197"]["Value"] == [DUPLICATE]]
        for each in [*stored, *there]:
            number = int(each["00081155"]["Value"][0].rpartition(".")[2])
            self.acknowledged.add(self._path(number))
        return len(stored) + len(there) == PER_REQUEST


@dataclass
class Pushers:
    """Several at once."""

    every: Sequence[Pusher]

    @property
    def statuses(self) -> Counter[int]:
        """All statuses that came."""
        return sum((each.statuses for each in self.every), Counter())

    @property
    def texts(self) -> Counter[str]:
        """All texts of errors that came."""
        return sum((each.texts for each in self.every), Counter())

    @property
    def sent(self) -> dict[str, str]:
        """SHA-256 of everything that was sent, by path."""
        return {path: digest for each in self.every for path, digest in each.sent.items()}

    @property
    def acknowledged(self) -> set[str]:
        """Paths of everything that must be there."""
        return {path for each in self.every for path in each.acknowledged}

    @property
    def acknowledged_count(self) -> int:
        """How many were acknowledged so far."""
        return sum(len(each.acknowledged) for each in self.every)

    def wait_until_moving(self, count: int = 20) -> None:
        """Waits until so many more instances are acknowledged."""
        goal = self.acknowledged_count + count
        wait_for(lambda: self.acknowledged_count >= goal, MOVING_S_MAX)


@contextlib.contextmanager
def pushing(url: str, pushers: Pushers) -> Generator[Pushers]:
    """Has them all push within the block; what one of them raises is raised behind it."""
    is_over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(len(pushers.every)) as pool:
        running = [pool.submit(each.run, url, is_over) for each in pushers.every]
        try:
            yield pushers
        finally:
            is_over.set()
        for each in running:
            each.result()


def pushers(count: int, *, rows: int = ROWS) -> Pushers:
    """Returns n of them, each with a series of its own."""
    return Pushers([Pusher(number, rows) for number in range(1, count + 1)])


def wait_for(condition: Callable[[], bool], seconds: float = SETTLE_S_MAX) -> None:
    """Waits until it holds; fails after a while."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def is_healthy(service: Service) -> bool:
    """Whether the service says so itself."""
    try:
        return httpx.get(f"{service.url}/health/check", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def feed(client: httpx.Client) -> list[dict[str, object]]:
    """Reads the whole change feed as v1 pollers do."""
    found: list[dict[str, object]] = []
    latest = client.get("/v1/changefeed/latest", params={"includeMetadata": "false"})
    last = latest.json()["sequence"] if latest.status_code == 200 else 0
    for offset in range(0, last, 100):
        parameters = {"offset": offset, "limit": 100, "includeMetadata": "false"}
        found += client.get("/v1/changefeed", params=parameters).json()
    return found


def check_all(service: Service, pushers: Pushers) -> int:
    """Checks everything that must hold behind any fault; returns the number of instances."""
    with httpx.Client(base_url=service.url, timeout=60) as client:
        entries = feed(client)
        sequences = [entry["sequence"] for entry in entries]
        assert sequences == list(range(1, len(entries) + 1)), "the change feed has a gap"
        listed = [
            f"/studies/{entry['studyInstanceUid']}/series/{entry['seriesInstanceUid']}"
            f"/instances/{entry['sopInstanceUid']}"
            for entry in entries
        ]
        stored = set(listed)
        assert len(stored) == len(listed), "an instance was created twice"
        missing = pushers.acknowledged - stored
        assert not missing, f"{len(missing)} acknowledged instances are not in the feed"
        sent = pushers.sent
        # What is visible is whole, acknowledged or not.
        for path in sorted(stored):
            check_one(client, path, sent[path])
        if stored:
            study_uid = synthetic.uids(1)[0]
            (study,) = client.get("/v2/studies", params={"StudyInstanceUID": study_uid}).json()
            assert study["00201208"]["Value"] == [len(stored)]
        return len(stored)


def check_one(client: httpx.Client, path: str, digest: str) -> None:
    """Checks that an instance is there, byte for byte."""
    answer = client.get(f"/v2{path}", headers={"Accept": "application/dicom"})
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:200]}"
    assert hashlib.sha256(answer.content).hexdigest() == digest, path
