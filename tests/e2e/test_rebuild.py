"""Packs are enough: any unzip opens them, and the index is made anew from them alone."""

import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import synthetic
from tests.support.corpus import corpus_files
from tests.support.service import running
from tests.support.stow import multipart

SEARCHES = (
    "/v2/studies",
    "/v2/studies?PatientID=P1",
    "/v2/studies?includefield=all",
    "/v1/series?Modality=CT",
    "/v2/instances?limit=200",
    "/v2/instances?includefield=00200013,ImageComments",
    f"/v2/studies/{synthetic.uids(1)[0]}/instances",
)


def fill(client: httpx.Client) -> None:
    """Stores synthetic series and corpus files; deletes some, refuses some."""
    for series in (1, 2):
        files = [synthetic.ct(number, series=series) for number in range(1, 21)]
        content_type, body = multipart(files)
        answer = client.post("/v2/studies", content=body, headers={"Content-Type": content_type})
        assert answer.status_code == 200, answer.text
    corpus = [file.read() for file in corpus_files()[:120]]
    content_type, body = multipart(corpus)
    answer = client.post("/v2/studies", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 202, answer.text
    for number in (3, 4, 20):
        assert client.delete(f"/v2{synthetic.path(number)}").status_code == 204
    # What was replaced must not come back either.
    content_type, body = multipart([synthetic.ct(5, note="the new version")])
    answer = client.put("/v2/studies", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 200, answer.text
    # A duplicate with other bytes is refused, and must not come back instead of the first.
    content_type, body = multipart(
        [synthetic.ct(1, note="another"), synthetic.ct(99, series=3, note="new")]
    )
    answer = client.post("/v2/studies", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 202, answer.text


def answers(client: httpx.Client) -> dict[str, Any]:
    """What the service says to all searches, in an order that does not depend on keys."""
    found: dict[str, Any] = {}
    for path in SEARCHES:
        answer = client.get(path)
        assert answer.status_code == 200, path
        found[path] = sorted(answer.json(), key=str)
    return found


def without_urls(found: dict[str, Any]) -> dict[str, Any]:
    """Both services have ports of their own."""
    for results in found.values():
        for result in results:
            result.pop("00081190")
    return found


def command(name: str, data: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "longshore", name, "--data", str(data), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


@pytest.mark.timeout(300)
def test_the_index_is_rebuilt_from_packs_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as service, httpx.Client(base_url=service.url, timeout=60) as client:
        fill(client)
        expected = without_urls(answers(client))
        kept = client.get(f"/v2{synthetic.path(1)}", headers={"Accept": "application/dicom"})
    packs = list((data / "blobs" / "packs").rglob("*.zip"))
    assert packs
    for pack in packs:
        check_pack(pack)
    shutil.rmtree(data / "postgres")
    assert "instances of" in command("rebuild-index", data)
    assert command("rebuild-index", data).startswith("0 instances of 0 packs"), "it may run again"
    with running(data) as service, httpx.Client(base_url=service.url, timeout=60) as client:
        assert without_urls(answers(client)) == expected
        assert client.get(f"/v2{synthetic.path(3)}").status_code == 404
        again = client.get(f"/v2{synthetic.path(1)}", headers={"Accept": "application/dicom"})
        assert again.content == kept.content == synthetic.ct(1)
        new = client.get(f"/v2{synthetic.path(5)}", headers={"Accept": "application/dicom"})
        assert new.content == synthetic.ct(5, note="the new version")


def check_pack(pack: Path) -> None:
    """`unzip -t` and Python's zipfile find every entry whole."""
    unzip = shutil.which("unzip")
    assert unzip is not None, "unzip is not installed; `make test` says how"
    done = subprocess.run([unzip, "-t", pack], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No errors detected" in done.stdout
    with zipfile.ZipFile(pack) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[-1] == "metadata.json"
        assert all(name.endswith(".dcm") for name in names[:-1])
        assert len(httpx.Response(200, content=archive.read(names[-1])).json()) == len(names) - 1


@pytest.mark.timeout(120)
def test_the_space_of_deleted_instances_comes_back(tmp_path: Path) -> None:
    """Dead packs go, packs with a live rest are rewritten, and the rest reads as before."""
    data = tmp_path / "data"
    rules = ["--deleted-retention-s", "0", "--sweep-interval-s", "0.2", "--sweep-grace-s", "1"]
    with running(data, *rules) as service, httpx.Client(base_url=service.url, timeout=60) as client:
        for series in (1, 2):
            files = [synthetic.ct(n, series=series, rows=128) for n in range(1, 11)]
            content_type, body = multipart(files)
            client.post("/v2/studies", content=body, headers={"Content-Type": content_type})
        before = stored_bytes(data)
        study, _, _ = synthetic.uids(1)
        assert client.delete(f"/v2/studies/{study}/series/{study}.1").status_code == 204
        for number in range(1, 10):
            assert client.delete(f"/v2{synthetic.path(number, series=2)}").status_code == 204
        wait_until(lambda: stored_bytes(data) < before / 10)
        answer = client.get(
            f"/v2{synthetic.path(10, series=2)}", headers={"Accept": "application/dicom"}
        )
        assert answer.content == synthetic.ct(10, series=2, rows=128)
        metadata = client.get(f"/v2{synthetic.path(10, series=2)}/metadata").json()
        assert metadata[0]["00080018"]["Value"] == [synthetic.uids(10, series=2)[2]]


def stored_bytes(data: Path) -> int:
    return sum(pack.stat().st_size for pack in (data / "blobs" / "packs").rglob("*.zip"))


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


@pytest.mark.timeout(120)
def test_a_damaged_pack_is_named_and_the_others_are_indexed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as service, httpx.Client(base_url=service.url, timeout=60) as client:
        for number in (1, 2, 3):
            headers = {"Content-Type": "application/dicom"}
            client.post("/v2/studies", content=synthetic.ct(number), headers=headers)
    packs = sorted((data / "blobs" / "packs").rglob("*.zip"), key=lambda pack: pack.name)
    whole = bytearray(packs[1].read_bytes())
    whole[400] ^= 1
    packs[1].write_bytes(whole)
    packs[2].write_bytes(packs[2].read_bytes()[:-100])
    shutil.rmtree(data / "postgres")
    done = subprocess.run(
        [sys.executable, "-m", "longshore", "rebuild-index", "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("1 instances of 1 packs indexed"), done.stdout
    for pack in packs[1:]:
        assert f"{pack.name} is damaged; restore it" in done.stderr, done.stderr
