"""Store of what is large, and of what is too large.

Numbers in test names are lines of the reference's acceptance checklist.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import synthetic
from tests.support.service import Service, running
from tests.support.stow import multipart

MIB = 1024**2
LARGE_BYTES = 300 * MIB
CHUNK = bytes(range(256)) * (MIB // 256)
DICOM = {"Content-Type": "application/dicom"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


def large(number: int) -> Iterator[bytes]:
    head, _ = synthetic.large(number, LARGE_BYTES)
    yield head
    for _ in range(LARGE_BYTES // MIB):
        yield CHUNK


def stored_length(client: httpx.Client, number: int) -> int:
    answer = client.head(f"/v2{synthetic.path(number)}", headers={"Accept": "application/dicom"})
    assert answer.status_code == 200
    return int(answer.headers["content-length"])


@pytest.mark.timeout(180)
def test_29_large_single_and_multi_part(service: Service) -> None:
    with httpx.Client(base_url=service.url, timeout=120) as client:
        assert client.post("/v2/studies", content=large(1), headers=DICOM).status_code == 200
        content_type, _ = multipart([], boundary="b")
        delimiter = b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\n"

        def body() -> Iterator[bytes]:
            for number in (2, 3):
                yield delimiter
                yield from large(number)
            yield b"\r\n--b--\r\n"

        headers = {"Content-Type": content_type}
        answer = client.post("/v2/studies", content=body(), headers=headers)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["00081199"]["Value"]) == 2
        head, _ = synthetic.large(1, LARGE_BYTES)
        for number in (1, 2, 3):
            assert stored_length(client, number) == len(head) + LARGE_BYTES


@pytest.mark.timeout(120)
def test_26_over_the_limit(tmp_path: Path) -> None:
    data = tmp_path / "data"
    rules = ["--part-bytes-max", "1MiB"]
    with running(data, *rules) as service, httpx.Client(base_url=service.url) as client:
        over = synthetic.ct(1, rows=1024)
        content_type, body = multipart([over])
        for content, headers in ((over, DICOM), (body, {"Content-Type": content_type})):
            answer = client.post("/v2/studies", content=content, headers=headers)
            assert answer.status_code == 413
            assert f"The request exceeded the allowed limit of {MIB} bytes" in answer.text
            # The rest of the body is not read, and so nothing can follow it.
            assert answer.headers["connection"] == "close"
        assert client.get("/v2/studies").status_code == 204
        small = synthetic.ct(1)
        answer = client.post("/v2/studies", content=small, headers=DICOM)
        assert answer.status_code == 200
        assert "connection" not in answer.headers
