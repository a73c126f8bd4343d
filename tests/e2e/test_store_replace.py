"""PUT, the setting `duplicates` and the expiry headers, over a real socket.

Numbers in test names are lines of the reference's acceptance checklist.
"""

import concurrent.futures
import io
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pydicom
import pytest

from tests.index.batches import INCONSISTENT
from tests.support import synthetic
from tests.support.described import as_json, bulk, described, metadata, pixels
from tests.support.service import Service, running

DICOM = {"Content-Type": "application/dicom"}
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}
STUDY = f"/v2/studies/{synthetic.uids(1)[0]}"
TIME = "msdicom-expiry-time-milliseconds"
EXPIRY = {
    TIME: "1000",
    "msdicom-expiry-option": "RelativeToNow",
    "msdicom-expiry-level": "Study",
}


@pytest.fixture(scope="module")
def replacing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that looks for expired studies all the time, and streams what is long."""
    rules = ["--expiry-interval-s", "0.1", "--part-bytes-max-in-memory", "1MiB", "--workers", "2"]
    with running(tmp_path_factory.mktemp("service") / "data", *rules) as service:
        yield service


@pytest.fixture
def client(replacing: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=replacing.url, timeout=60) as client:
        yield client
        client.delete(STUDY)


def send(client: httpx.Client, method: str, content: bytes, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.request(method, "/v2/studies", content=content, headers=DICOM | names)


def kept(client: httpx.Client, number: int = 1) -> bytes:
    return client.get(f"/v2{synthetic.path(number)}", headers=AS_STORED).content


def feed(client: httpx.Client) -> list[dict[str, Any]]:
    """The changes of instance 1, in order; asserts that the feed has no gap."""
    found: list[dict[str, Any]] = []
    while page := client.get(f"/v2/changefeed?offset={len(found)}&limit=200").json():
        found += page
    assert [each["sequence"] for each in found] == list(range(1, len(found) + 1))
    sop_instance_uid = synthetic.uids(1)[2]
    return [each for each in found if each["sopInstanceUid"] == sop_instance_uid]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_52_put_of_an_instance_that_is_stored(client: httpx.Client, version: str) -> None:
    assert send(client, "POST", synthetic.ct(1)).status_code == 200
    new = synthetic.ct(1, note="the new version")
    answer = client.put(f"/{version}/studies", content=new, headers=DICOM)
    assert answer.status_code == 200
    assert "00081198" not in answer.json()
    assert kept(client) == new
    (metadata,) = client.get(f"/v2{synthetic.path(1)}/metadata").json()
    assert metadata["00204000"]["Value"] == ["the new version"]
    (study,) = client.get("/v2/studies").json()
    assert study["00201208"]["Value"] == [1]


def test_53_put_of_a_new_instance(client: httpx.Client, replacing: Service) -> None:
    answer = client.put(STUDY, content=synthetic.ct(1), headers=DICOM)
    assert answer.status_code == 200
    assert answer.json()["00081190"]["Value"] == [f"{replacing.url}{STUDY}"]
    assert kept(client) == synthetic.ct(1)


def test_put_into_another_study_than_in_the_path(client: httpx.Client) -> None:
    send(client, "POST", synthetic.ct(1, study=2))
    answer = client.put(STUDY, content=synthetic.ct(1, study=2, note="new"), headers=DICOM)
    assert answer.status_code == 409
    path = f"/v2{synthetic.path(1, study=2)}"
    assert client.get(path, headers=AS_STORED).content == synthetic.ct(1, study=2)
    client.delete(f"/v2/studies/{synthetic.uids(1, study=2)[0]}")


def test_what_the_change_feed_says_of_put(client: httpx.Client) -> None:
    before = len(feed(client))
    send(client, "POST", synthetic.ct(1))
    send(client, "PUT", synthetic.ct(1, note="second"))
    send(client, "PUT", synthetic.ct(1, note="third"))
    changes = feed(client)[before:]
    assert [(each["action"], each["state"]) for each in changes] == [
        ("Create", "Replaced"),
        ("Create", "Replaced"),
        ("Create", "Current"),
    ]
    assert changes[0]["metadata"]["00204000"]["Value"] == ["third"], "of the current version"


def test_long_instances_replace_and_are_replaced(client: httpx.Client) -> None:
    """Those that have a pack of their own."""
    versions = [
        synthetic.ct(1, rows=1024, note="long"),
        synthetic.ct(1, note="short"),
        synthetic.ct(1, rows=1024, note="long again"),
    ]
    for version in versions:
        assert send(client, "PUT", version).status_code == 200
        assert kept(client) == version


def test_put_post_and_delete_at_once(client: httpx.Client, replacing: Service) -> None:
    """No 5xx, nothing half there, and the feed has no gap."""
    rounds = 40
    chosen = random.Random(7)  # noqa: S311

    def work(kind: str) -> list[int]:
        statuses: list[int] = []
        with httpx.Client(base_url=replacing.url, timeout=60) as own:
            for turn in range(rounds):
                number = chosen.randint(1, 3)
                if kind == "DELETE":
                    path = f"/v2{synthetic.path(number)}" if turn % 4 else STUDY
                    statuses.append(own.delete(path).status_code)
                else:
                    note = f"{kind} {turn}"
                    statuses.append(send(own, kind, synthetic.ct(number, note=note)).status_code)
        return statuses

    kinds = ["PUT", "PUT", "PUT", "POST", "POST", "DELETE"]
    with concurrent.futures.ThreadPoolExecutor(len(kinds)) as pool:
        outcomes = list(zip(kinds, pool.map(work, kinds), strict=True))
    for kind, statuses in outcomes:
        allowed = {"PUT": {200}, "POST": {200, 409}, "DELETE": {204, 404}}[kind]
        assert set(statuses) <= allowed, kind
    assert send(client, "PUT", synthetic.ct(1, note="the last")).status_code == 200
    assert kept(client) == synthetic.ct(1, note="the last")
    assert [each["state"] for each in feed(client)][-1] == "Current"
    with psycopg.connect(replacing.database) as connection:
        assert connection.execute(INCONSISTENT).fetchall() == []


@pytest.mark.timeout(120)
def test_the_bytes_of_what_was_replaced_go(tmp_path: Path) -> None:
    rules = ["--deleted-retention-s", "0", "--sweep-interval-s", "0.2", "--sweep-grace-s", "0.5"]
    data = tmp_path / "data"
    with running(data, *rules) as service, httpx.Client(base_url=service.url) as client:
        send(client, "POST", synthetic.ct(1, note="the old version"))
        send(client, "PUT", synthetic.ct(1, note="the new version"))
        wait_until(lambda: not holds(data, b"the old version"), 60)
        assert kept(client) == synthetic.ct(1, note="the new version")


def holds(data: Path, text: bytes) -> bool:
    packs = list((data / "blobs" / "packs").rglob("*.zip"))
    return any(text in pack.read_bytes() for pack in packs if pack.exists())


def wait_until(is_so: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_54_a_study_expires(client: httpx.Client, method: str) -> None:
    before = len(feed(client))
    answer = client.request(method, "/v2/studies", content=synthetic.ct(1), headers=DICOM | EXPIRY)
    assert answer.status_code == 200
    assert client.get(STUDY + "/metadata").status_code == 200, "there until its time is over"
    wait_until(lambda: client.get(STUDY + "/metadata").status_code == 404, 30)
    changes = feed(client)[before:]
    assert [(each["action"], each["state"]) for each in changes] == [
        ("Create", "Deleted"),
        ("Delete", "Deleted"),
    ]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_55_a_later_store_cancels_the_expiry(client: httpx.Client, method: str) -> None:
    headers = DICOM | EXPIRY
    client.post("/v2/studies", content=synthetic.ct(1), headers=headers)
    assert send(client, method, synthetic.ct(2)).status_code == 200
    time.sleep(1.6)
    assert kept(client) == synthetic.ct(1)
    assert kept(client, 2) == synthetic.ct(2)


def test_the_time_alone_is_enough(client: httpx.Client) -> None:
    client.post("/v2/studies", content=synthetic.ct(1), headers=DICOM | {TIME: "1"})
    wait_until(lambda: client.get(STUDY + "/metadata").status_code == 404, 30)


@pytest.mark.parametrize(
    "wrong",
    [
        {TIME: "0"},
        {TIME: "-1"},
        {TIME: "soon"},
        {TIME: ""},
        {TIME: "1.5"},
        {TIME: "99999999999999999999"},
        {"msdicom-expiry-option": "RelativeToNow"},
        {"msdicom-expiry-level": "Study"},
        {TIME: "1000", "msdicom-expiry-option": "Absolute"},
        {TIME: "1000", "msdicom-expiry-level": "Series"},
    ],
)
def test_malformed_expiry_is_400(client: httpx.Client, wrong: dict[str, str]) -> None:
    answer = client.post("/v2/studies", content=synthetic.ct(1), headers=DICOM | wrong)
    assert answer.status_code == 400
    assert "msdicom-expiry" in answer.text
    assert client.get(STUDY + "/metadata").status_code == 404


@pytest.mark.timeout(120)
def test_the_setting_accept_identical(tmp_path: Path) -> None:
    rules = ["--duplicates", "accept-identical", "--part-bytes-max-in-memory", "1MiB"]
    data = tmp_path / "data"
    with running(data, *rules) as service, httpx.Client(base_url=service.url) as client:
        for number, content in ((1, synthetic.ct(1)), (2, synthetic.ct(2, rows=1024))):
            first = send(client, "POST", content)
            again = send(client, "POST", content)
            assert first.status_code == again.status_code == 200
            assert again.json() == first.json()
            other = content[:-1] + bytes([content[-1] ^ 1])
            assert send(client, "POST", other).status_code == 409
            assert send(client, "POST", synthetic.ct(number, note="longer")).status_code == 409
            assert kept(client, number) == content
        found = client.get("/v2/changefeed").json()
        assert [each["action"] for each in found] == ["Create", "Create"], "nothing changed"
        assert send(client, "PUT", synthetic.ct(1, note="new")).status_code == 200
        assert kept(client) == synthetic.ct(1, note="new")


@pytest.mark.timeout(120)
def test_the_setting_replace(tmp_path: Path) -> None:
    data, rules = tmp_path / "data", ["--duplicates", "replace"]
    with running(data, *rules) as service, httpx.Client(base_url=service.url) as client:
        for note in ("first", "second"):
            assert send(client, "POST", synthetic.ct(1, note=note)).status_code == 200
            assert kept(client) == synthetic.ct(1, note=note)


@pytest.mark.timeout(120)
def test_each_partition_is_replaced_and_expires_alone(tmp_path: Path) -> None:
    data, rules = tmp_path / "data", ["--partitions", "on", "--expiry-interval-s", "0.1"]
    with running(data, *rules) as service, httpx.Client(base_url=service.url) as client:
        paths = {name: f"/v2/partitions/{name}" for name in ("Microsoft.Default", "other")}

        def file_in(name: str) -> bytes:
            path = f"{paths[name]}{synthetic.path(1)}"
            answer = client.get(path, headers=AS_STORED)
            return answer.content if answer.status_code == 200 else b""

        for path in paths.values():
            answer = client.post(f"{path}/studies", content=synthetic.ct(1), headers=DICOM)
            assert answer.status_code == 200
        new = synthetic.ct(1, note="new")
        answer = client.put(f"{paths['other']}/studies", content=new, headers=DICOM)
        assert answer.status_code == 200
        assert [file_in(name) for name in paths] == [synthetic.ct(1), new]
        headers, body = described([as_json(metadata()), bulk(pixels())])
        answer = client.put(f"{paths['other']}/studies", content=body, headers=headers | EXPIRY)
        assert answer.status_code == 200
        (item,) = answer.json()["00081199"]["Value"]
        url = f"{service.url}{paths['other']}{synthetic.path(1)}"
        assert item["00081190"]["Value"] == [url]
        wait_until(lambda: file_in("other") == b"", 30)
        assert file_in("Microsoft.Default") == synthetic.ct(1)


def test_extended_query_tags_follow_the_new_version(client: httpx.Client) -> None:
    tag = {"path": "00080070", "vr": "LO", "level": "Study"}
    added = client.post("/v2/extendedquerytags", json=[tag])
    assert added.status_code == 202, added.text
    operation = added.json()["href"]
    wait_until(lambda: client.get(operation).status_code == 200, 60)

    def found(maker: str) -> int:
        return client.get("/v2/studies", params={"00080070": maker}).status_code

    assert send(client, "POST", made_by("OLD")).status_code == 200
    assert (found("OLD"), found("NEW")) == (200, 204)
    assert send(client, "PUT", made_by("NEW")).status_code == 200
    assert (found("OLD"), found("NEW")) == (204, 200)
    assert send(client, "PUT", synthetic.ct(1)).status_code == 200
    assert (found("OLD"), found("NEW")) == (204, 204), "nothing is left of it"
    assert client.delete("/v2/extendedquerytags/00080070").status_code == 204


def made_by(maker: str) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(synthetic.ct(1)))
    dataset.Manufacturer = maker
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset)
    return buffer.getvalue()
