"""Extended query tags over a real socket: several workers, killed services, Stores meanwhile.

Numbers in test names are lines of the reference's acceptance checklist.
"""

import random
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support import synthetic
from tests.support.load import Pusher
from tests.support.service import Service, running
from tests.support.stow import multipart

DICOM = {"Content-Type": "application/dicom"}
TAGS = "/v2/extendedquerytags"
OPERATION_S_MAX = 60.0
INSTANCE_COUNT = 2_000
KILLS = 5


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client
        for tag in client.get(TAGS).json():
            client.delete(f"{TAGS}/{tag['path']}")
        left = client.get("/v2/studies", params={"limit": 200})
        for study in left.json() if left.status_code == 200 else []:
            client.delete(f"/v2/studies/{study['0020000D']['Value'][0]}")


def with_exposure(number: int, text: str) -> bytes:
    """A CT with Exposure (0018,1152), an IS, behind its other elements."""
    octets = text.encode() + b" " * (len(text) % 2)
    return synthetic.ct(number) + struct.pack("<HH2sH", 0x0018, 0x1152, b"IS", len(octets)) + octets


def store(client: httpx.Client, *files: bytes, version: str = "v2") -> httpx.Response:
    content_type, body = multipart(files)
    headers = {"Content-Type": content_type}
    return client.post(f"/{version}/studies", content=body, headers=headers)


def ended(client: httpx.Client, operation: dict[str, Any]) -> dict[str, Any]:
    """Waits for an operation; returns what is told of it when it has ended."""
    deadline = time.monotonic() + OPERATION_S_MAX
    while time.monotonic() < deadline:
        answer = client.get(operation["href"])
        if answer.status_code == 200:
            return answer.json()
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == operation["href"]
        assert answer.json()["status"] in ("notStarted", "running")
        time.sleep(0.05)
    raise AssertionError("the operation does not end")


def test_118_123_143_144_146_what_is_stored_is_found(client: httpx.Client) -> None:
    files = [with_exposure(number, str(number * 10)) for number in range(1, 21)]
    assert store(client, *files).status_code == 200
    answer = client.post(
        "/V2/extendedquerytags",
        content=b'[{"path":"Exposure","Level":"Instance"}]',
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    assert answer.status_code == 202
    operation = answer.json()
    assert answer.headers["location"] == operation["href"]
    end = ended(client, operation)
    assert (end["status"], end["percentComplete"], end["type"]) == ("succeeded", 100, "reindex")
    first = client.get(f"/v1/operations/{operation['id']}").json()
    assert first["status"] == "completed"
    assert client.get(f"/v2/operations/{'0' * 32}").status_code == 404
    # At once, through whichever worker.
    assert store(client, with_exposure(21, "210")).status_code == 200
    for number in (1, 20, 21):
        found = client.get("/v2/instances", params={"Exposure": str(number * 10)})
        assert found.status_code == 200
        (instance,) = found.json()
        assert instance["00080018"]["Value"] == [synthetic.uids(number)[2]]
        assert instance["00181152"] == {"vr": "IS", "Value": [number * 10]}


def test_51_v1_refuses_and_v2_stores(client: httpx.Client, service: Service) -> None:
    operation = client.post(TAGS, json=[{"path": "00181152", "level": "Instance"}]).json()
    ended(client, operation)
    bad = with_exposure(1, "InvalidISValue")
    # Whichever worker has the connection: all know the tag when its operation has ended.
    for _ in range(10):
        with httpx.Client(base_url=service.url, timeout=60) as another:
            answer = another.post("/v1/studies", content=bad, headers=DICOM)
            assert answer.status_code == 409
    assert client.post("/v2/studies", content=bad, headers=DICOM).status_code == 202


def test_119_errors_disable_a_tag(client: httpx.Client) -> None:
    bad, good = with_exposure(1, "InvalidISValue"), with_exposure(2, "5")
    assert store(client, bad, good, version="v1").status_code == 200
    operation = client.post(TAGS, json=[{"path": "00181152", "level": "Instance"}]).json()
    assert ended(client, operation)["status"] == "succeeded"
    tag = client.get(f"{TAGS}/Exposure").json()
    assert (tag["errors"]["count"], tag["queryStatus"]) == (1, "disabled")
    assert client.get(tag["errors"]["href"]).json()[0]["sopInstanceUid"] == synthetic.uids(1)[2]
    assert client.get("/v2/instances", params={"Exposure": "5"}).status_code == 400
    changed = client.patch(f"{TAGS}/Exposure", json={"queryStatus": "Enabled"})
    assert changed.json()["queryStatus"] == "enabled"
    answer = client.get("/v2/instances", params={"Exposure": "5"})
    assert answer.status_code == 200
    assert answer.headers["erroneous-dicom-attributes"] == "Exposure"


MISSED = """
    SELECT sop_instance_uid FROM instance
    WHERE NOT EXISTS (
        SELECT FROM extended_value JOIN extended_query_tag USING (tag_key)
        WHERE path = '00200013' AND owner_key = instance.instance_key
            AND integer_value = instance.instance_number
    )
"""


def query(service: Service, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(service.database, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.mark.timeout(300)
def test_118_a_killed_service_goes_on_where_it_was(tmp_path: Path) -> None:
    chance = random.Random(3)  # noqa: S311 - the same moments in every run
    with running(tmp_path / "data", "--workers", "2") as service:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            numbers = range(1, INSTANCE_COUNT + 1)
            assert (
                store(client, *(synthetic.ct(each, rows=2) for each in numbers)).status_code == 200
            )
        for _ in range(KILLS):
            with httpx.Client(base_url=service.url, timeout=60) as client:
                answer = client.post(TAGS, json=[{"path": "InstanceNumber", "level": "Instance"}])
                assert answer.status_code == 202, answer.text
                time.sleep(chance.uniform(0, 0.6))
            service.kill()
            service.start()
            with httpx.Client(base_url=service.url, timeout=60) as client:
                assert ended(client, answer.json())["status"] == "succeeded"
                assert query(service, MISSED) == []
                assert client.delete(f"{TAGS}/00200013").status_code == 204
        deadline = time.monotonic() + OPERATION_S_MAX
        while query(service, "SELECT FROM extended_value LIMIT 1"):
            assert time.monotonic() < deadline, "values of a removed tag stay"
            time.sleep(0.1)


@pytest.mark.timeout(300)
def test_118_121_122_tags_come_and_go_while_clients_store(tmp_path: Path) -> None:
    """Nothing fails and nothing is missed, on two workers."""
    with running(tmp_path / "data", "--workers", "2") as service:
        is_over = threading.Event()
        pushers = [Pusher(number, rows=4) for number in range(1, 5)]
        threads = [
            threading.Thread(target=each.run, args=(service.url, is_over)) for each in pushers
        ]
        for thread in threads:
            thread.start()
        try:
            with httpx.Client(base_url=service.url, timeout=60) as client:
                for _ in range(4):
                    tag = [{"path": "InstanceNumber", "level": "Instance"}]
                    operation = client.post(TAGS, json=tag).json()
                    again = client.post(TAGS, json=[{"path": "00181152", "level": "Series"}])
                    assert again.status_code == 409
                    assert again.headers["location"] == operation["href"]
                    assert ended(client, operation)["status"] == "succeeded"
                    assert query(service, MISSED) == []
                    assert client.delete(f"{TAGS}/00200013").status_code == 204
                    assert client.delete(f"{TAGS}/00200013").status_code == 404
                client.post(TAGS, json=[{"path": "InstanceNumber", "level": "Instance"}])
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        with httpx.Client(base_url=service.url, timeout=60) as client:
            tag = client.get(f"{TAGS}/00200013").json()
            if "operation" in tag:
                ended(client, tag["operation"])
        assert query(service, MISSED) == []
        for pusher in pushers:
            assert set(pusher.statuses) == {200}, pusher.texts
            assert len(pusher.acknowledged) == len(pusher.sent) > 0
