"""Clients that stop, and clients that go away."""

import socket
from pathlib import Path

import httpx
import pytest

from tests.support import synthetic
from tests.support.service import Service, running
from tests.support.stow import multipart


def begin(service: Service, body: bytes, content_type: str, *, length: int) -> socket.socket:
    """Sends a Store request's head and the first bytes of its body."""
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    head = (
        "POST /v2/studies HTTP/1.1\r\nHost: x\r\nAccept: application/dicom+json\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


@pytest.mark.timeout(120)
def test_a_store_that_stops_is_ended_and_nothing_is_left(tmp_path: Path) -> None:
    content_type, body = multipart([synthetic.ct(1), synthetic.ct(2, rows=512)])
    half = body[: len(body) // 2]
    options = ["--upload-idle-s-max", "0.5", "--part-bytes-max-in-memory", "4KiB"]
    with running(tmp_path / "data", *options) as service:
        with begin(service, half, content_type, length=len(body)) as connection:
            answer = connection.recv(4096).decode()
        assert answer.startswith("HTTP/1.1 408 "), answer
        assert "fewer than 512 bytes came within 0.5 seconds" in answer
        begin(service, half, content_type, length=len(body)).close()
        with httpx.Client(base_url=service.url, timeout=30) as client:
            # The instance that came whole before the stop is stored, and refused again now.
            headers = {"Content-Type": content_type}
            again = client.post("/v2/studies", content=body, headers=headers)
            assert again.status_code == 202, again.text
            stored = again.json()["00081199"]["Value"]
            assert [item["00081155"]["Value"] for item in stored] == [[synthetic.uids(2)[2]]]
        unfinished = list((tmp_path / "data" / "blobs" / "unfinished").iterdir())
        assert unfinished == [], "what was half written is gone"
