"""Requests about the same instances at once, on two workers: one outcome, never a 5xx."""

import concurrent.futures
import contextlib
import itertools
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support import synthetic
from tests.support.leftovers import assert_no_orphans, wait_until_swept
from tests.support.load import DUPLICATE, feed, wait_for
from tests.support.service import Service, running
from tests.support.stow import multipart

ROUNDS = 1_000
PER_REQUEST = 2
PAIRS = 8
"""Each connection is some worker's; with so many pairs, some meet in one, some across two."""
DELETE_ROUNDS = 150
STUDY = 2


def deadlock_count(service: Service) -> int:
    with psycopg.connect(service.database) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row = connection.execute("SELECT sum(deadlocks)::integer FROM pg_stat_database").fetchone()
    assert row is not None
    return row[0]


def stored_and_refused(answer: httpx.Response) -> tuple[set[str], set[str]]:
    """Returns the UIDs that an answer calls stored, and those it calls stored already."""
    assert answer.status_code in (200, 202, 409), f"{answer.status_code} {answer.text}"
    found: dict[str, Any] = answer.json()
    refused = found.get("00081198", {}).get("Value", [])
    assert all(each["00081197"]["Value"] == [DUPLICATE] for each in refused), refused
    stored = found.get("00081199", {}).get("Value", [])
    return uids(stored), uids(refused)


def uids(items: list[dict[str, Any]]) -> set[str]:
    return {each["00081155"]["Value"][0] for each in items}


def store(client: httpx.Client, body: tuple[str, bytes]) -> tuple[set[str], set[str]]:
    headers = {"Content-Type": body[0], "Accept": "application/dicom+json"}
    return stored_and_refused(client.post("/v2/studies", content=body[1], headers=headers))


@pytest.mark.timeout(600)
def test_two_clients_store_the_same_instances(tmp_path: Path) -> None:
    def both(number: int) -> None:
        """Each instance is stored by one of the two, and refused to the other."""
        numbers = range(number * PER_REQUEST, (number + 1) * PER_REQUEST)
        files = [synthetic.ct(each, rows=4) for each in numbers]
        bodies = [multipart(files), multipart(files[::-1])]
        pair = clients[number % PAIRS * 2 :][:2]
        (first, not_first), (second, not_second) = pool.map(store, pair, bodies)
        every = {synthetic.uids(each)[2] for each in numbers}
        assert first | second == every
        assert first & second == set()
        assert (not_first, not_second) == (second, first)
        winners[len(first)] += 1

    winners: Counter[int] = Counter()
    with (
        running(tmp_path / "data", "--workers", "2") as service,
        contextlib.ExitStack() as stack,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        clients = [
            stack.enter_context(httpx.Client(base_url=service.url, timeout=60))
            for _ in range(2 * PAIRS)
        ]
        for number in range(ROUNDS):
            both(number)
        assert deadlock_count(service) == 0
        assert_no_orphans(service)
        entries = feed(clients[0])
        assert [entry["sequence"] for entry in entries] == list(range(1, len(entries) + 1))
        listed = Counter(entry["sopInstanceUid"] for entry in entries)
        assert len(listed) == ROUNDS * PER_REQUEST
        assert set(listed.values()) == {1}
    assert len(winners) > 1, "they never met"


@pytest.mark.timeout(600)
def test_store_and_delete_of_one_study(tmp_path: Path) -> None:
    """Reclaiming runs beside them: no row is left without its bytes, no bytes without a row."""
    files = {number: synthetic.ct(number, study=STUDY, rows=32) for number in range(1, 13)}
    study_uid = synthetic.uids(1, study=STUDY)[0]
    paths = {number: synthetic.path(number, study=STUDY) for number in files}
    statuses: Counter[int] = Counter()
    is_over = threading.Event()

    def storing(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311
        with httpx.Client(base_url=service.url, timeout=60) as client:
            while not is_over.is_set():
                some = chance.sample(sorted(files), 4)
                store(client, multipart([files[each] for each in some]))

    def deleting(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311
        with httpx.Client(base_url=service.url, timeout=60) as client:
            for _ in range(DELETE_ROUNDS):
                instance = paths[chance.choice(sorted(files))]
                series = instance.partition("/instances")[0]
                chosen = chance.choice([f"/studies/{study_uid}", series, instance])
                answer = client.delete(f"/v2{chosen}")
                assert answer.status_code in (204, 404), f"{answer.status_code} {answer.text}"
                statuses[answer.status_code] += 1

    options = ["--workers", "2", "--deleted-retention-s", "0", "--sweep-grace-s", "3"]
    options += ["--sweep-interval-s", "0.2"]
    with running(tmp_path / "data", *options) as service:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            stores = [pool.submit(storing, seed) for seed in (1, 2)]
            deletes = [pool.submit(deleting, seed) for seed in (3, 4)]
            concurrent.futures.wait(deletes)
            is_over.set()
            for each in [*stores, *deletes]:
                each.result()
        assert statuses[204] > DELETE_ROUNDS / 10, statuses
        assert deadlock_count(service) == 0
        assert_no_orphans(service)
        with httpx.Client(base_url=service.url, timeout=60) as client:
            left = check_feed(client)
            check_readers(client, study_uid, {paths[n]: file for n, file in files.items()}, left)
            wait_until_swept(service, service.data / "blobs")
            wait_until_no_dead_bytes(service)
            assert_no_orphans(service)
            check_readers(client, study_uid, {paths[n]: file for n, file in files.items()}, left)


def check_feed(client: httpx.Client) -> set[str]:
    """Each instance comes and goes in turn; returns the UIDs of those that are there at the end."""
    entries = feed(client)
    assert [entry["sequence"] for entry in entries] == list(range(1, len(entries) + 1))
    actions: dict[str, list[str]] = {}
    for entry in entries:
        actions.setdefault(str(entry["sopInstanceUid"]), []).append(str(entry["action"]).lower())
    for found in actions.values():
        expected = itertools.cycle(["create", "delete"])
        assert all(action == next(expected) for action in found), found
    return {uid for uid, found in actions.items() if found[-1] == "create"}


def check_readers(
    client: httpx.Client, study_uid: str, files: dict[str, bytes], left: set[str]
) -> None:
    """What the feed says is there is found and read; nothing else is."""
    for path, file in files.items():
        answer = client.get(f"/v2{path}", headers={"Accept": "application/dicom"})
        if path.rpartition("/")[2] in left:
            assert answer.content == file
        else:
            assert answer.status_code == 404
    found = client.get("/v2/studies", params={"StudyInstanceUID": study_uid})
    counts = [study["00201208"]["Value"] for study in found.json()] if found.content else []
    assert counts == ([[len(left)]] if left else [])


def wait_until_no_dead_bytes(service: Service) -> None:
    """Waits until every entry of every pack is an instance: the rest was given back."""

    def dead_count() -> int:
        with psycopg.connect(service.database) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pack WHERE live_count < entry_count"
            ).fetchone()
        assert row is not None
        return row[0]

    wait_for(lambda: dead_count() == 0)
