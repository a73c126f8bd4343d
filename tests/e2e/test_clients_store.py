"""Store as each client of the reference's table writes it, byte by byte over a real socket."""

import http.client
import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpx
import pytest

from longshore.dicomweb import native_xml, native_xml_reader
from tests.support import synthetic
from tests.support.described import metadata, pixels
from tests.support.service import Service, running
from tests.support.sockets import connect

JSON, XML = "application/dicom+json", "application/dicom+xml"
STUDY = f"/v2/studies/{synthetic.uids(1)[0]}"
CT = synthetic.ct(1)
UUID = "0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1"
SYNTAX = "transfer-syntax=1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Sent:
    """One client's request.

    Attributes:
        is_chunked: Sent in chunks, without Content-Length.
        expected: What the answer's Content-Type must be, with no parameter.
    """

    client: str
    content_type: str
    body: bytes
    accept: str | None = JSON
    is_chunked: bool = False
    expected: str = JSON
    status: int = 200
    count: int = 1
    headers: Sequence[str] = field(default=())


def framed(
    boundary: str,
    parts: Sequence[bytes] = (CT,),
    *,
    head: str = "Content-Type: application/dicom",
    start: str = "",
    end: str = "\r\n",
) -> bytes:
    """A body whose parts all have the same head."""
    opened = (f"--{boundary}\r\n{head}\r\n\r\n".encode() + part for part in parts)
    return start.encode() + b"\r\n".join(opened) + f"\r\n--{boundary}--{end}".encode()


def related(boundary: str, *, root_type: str = '"application/dicom"') -> str:
    return f"multipart/related; type={root_type}; boundary={boundary}"


def dcm4che_metadata(media_type: str, content: bytes) -> bytes:
    """Metadata and bulkdata as dcm4che's tool writes them, blanks behind the values included."""
    boundary = "-------gc0p4Jq0M2Yt08jU534c0p"
    return b"".join(
        [
            f"\r\n--{boundary}\r\nContent-Type: {media_type}; {SYNTAX} \r\n\r\n".encode(),
            content,
            f"\r\n--{boundary}\r\nContent-Type: application/octet-stream \r\n".encode(),
            b"Content-Location: file:/tmp/x?offset=1&length=2 \r\n\r\n",
            pixels(),
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )


LOCATED = metadata(uri="file:/tmp/x?offset=1&length=2")
GC0 = "-------gc0p4Jq0M2Yt08jU534c0p"

CLIENTS = [
    Sent(
        "dicomweb-client JS: CRLF first, none last, boundary in quotes",
        related(f'"{UUID}"'),
        framed(UUID, start="\r\n", end=""),
    ),
    Sent(
        "dicomweb-client Python: fixed boundary",
        related(f'"{UUID}"'),
        framed(UUID, [CT, synthetic.ct(2)]),
        accept=f"{JSON}, application/json",
        count=2,
    ),
    Sent(
        "dicomweb-client Python above 1 MB: chunked",
        related(UUID),
        framed(UUID, [synthetic.ct(1, rows=1024)]),
        accept=f"{JSON}, application/json",
        is_chunked=True,
    ),
    Sent(
        "dcm4che stowrs: bare fixed boundary, syntax on the part, XML wanted",
        related("myboundary"),
        framed("myboundary", head=f"Content-Type: application/dicom; {SYNTAX}", start="\r\n"),
        accept=XML,
        expected=XML,
    ),
    Sent(
        "dcm4che stowrs -a json",
        related("myboundary"),
        framed("myboundary", start="\r\n"),
        accept=JSON,
    ),
    Sent(
        "dcm4che's older tool: type without quotes, a disposition",
        related(GC0, root_type="application/dicom"),
        framed(
            GC0,
            start="\r\n",
            head='Content-Disposition: inline; name="file[]"; filename="x.dcm"\r\n'
            "Content-Type: application/dicom",
        ),
        accept=XML,
        expected=XML,
        headers=["charset: utf-8"],
    ),
    Sent(
        "dcm4che stowrs with metadata in JSON and bulkdata",
        related(GC0, root_type="application/json"),
        dcm4che_metadata("application/json", json.dumps(LOCATED).encode()),
        accept=XML,
        expected=XML,
        is_chunked=True,
    ),
    Sent(
        "dcm4che stowrs with metadata in XML and bulkdata",
        related(GC0, root_type="application/dicom+xml"),
        dcm4che_metadata("application/dicom+xml", native_xml.write(LOCATED)),
        accept=XML,
        expected=XML,
        is_chunked=True,
    ),
    Sent(
        "Orthanc: chunked, a boundary of 73, lengths on parts, no CRLF at the end",
        related(f"{UUID}-{UUID}"),
        framed(
            f"{UUID}-{UUID}",
            head=f"Content-Type: application/dicom\r\nContent-Length: {len(CT)}",
            end="",
        ),
        is_chunked=True,
    ),
    Sent(
        "Weasis: no CRLF first or last, XML wanted",
        related("weasisDicomBoundary"),
        framed("weasisDicomBoundary", end=""),
        accept=XML,
        expected=XML,
    ),
    Sent("Google DIMSE adapter: an instance a request", related("x"), framed("x")),
    Sent(
        "the model's .NET client: type behind the boundary, chunked",
        f'multipart/related; boundary="{UUID}"; type="application/dicom"',
        framed(UUID),
        is_chunked=True,
    ),
    Sent("the model's .NET client: single part, chunked", "application/dicom", CT, is_chunked=True),
    Sent("single part with a parameter", f"application/dicom; {SYNTAX}", CT),
    Sent("no Accept", related("b"), framed("b"), accept=None),
    Sent("an empty Accept", related("b"), framed("b"), accept=""),
    Sent("a single star", related("b"), framed("b"), accept="*"),
    Sent("anything", related("b"), framed("b"), accept="*/*"),
    Sent("JSON by its other name", related("b"), framed("b"), accept="application/json"),
    Sent("JSON with a syntax", related("b"), framed("b"), accept=f"{JSON}; transfer-syntax=*"),
    Sent("XML preferred", related("b"), framed("b"), accept=f"{JSON};q=0.5, {XML}", expected=XML),
    Sent("XML as the last resort", related("b"), framed("b"), accept=f"{XML};q=0.1, {JSON}"),
    Sent("neither", related("b"), framed("b"), accept="text/html", status=406, expected=""),
    Sent(
        "any case, no blanks, an unknown parameter",
        "Multipart/Related;TYPE=Application/DICOM;x=y;BOUNDARY=b",
        framed("b", head="CONTENT-TYPE:Application/DICOM"),
    ),
    Sent(
        "no type, first part without headers",
        "multipart/related; boundary=b",
        b"--b\r\n\r\n" + CT + b"\r\n--b--",
    ),
    Sent(
        "a preamble, padding behind the boundary, an epilogue",
        related("b"),
        framed("b", start="This is a message\r\n", end=" \r\nthe end\r\n").replace(
            b"--b\r\n", b"--b \t\r\n", 1
        ),
    ),
    Sent(
        "line feeds only",
        related("b"),
        b"--b\nContent-Type: application/dicom\n\n" + CT + b"\n--b--\n",
    ),
    Sent("a boundary of any characters", related('"a b(c)+_,-./:=?"'), framed("a b(c)+_,-./:=?")),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client
        client.delete(STUDY)


def head(sent: Sent, *more: str) -> bytes:
    lines = ["POST /v2/studies HTTP/1.1", "Host: x", f"Content-Type: {sent.content_type}"]
    if sent.accept is not None:
        lines.append(f"Accept: {sent.accept}")
    lines.append(
        "Transfer-Encoding: chunked" if sent.is_chunked else f"Content-Length: {len(sent.body)}"
    )
    return "\r\n".join([*lines, *sent.headers, *more, "", ""]).encode()


def payload(sent: Sent) -> bytes:
    if not sent.is_chunked:
        return sent.body
    sizes = [1, 7, 4096, 65_536]
    chunks: list[bytes] = []
    at = 0
    while at < len(sent.body):
        chunk = sent.body[at : at + sizes[len(chunks) % len(sizes)]]
        chunks.append(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        at += len(chunk)
    return b"".join([*chunks, b"0\r\n\r\n"])


def answer_of(connection: socket.socket) -> tuple[http.client.HTTPResponse, bytes]:
    answer = http.client.HTTPResponse(connection, method="POST")
    answer.begin()
    return answer, answer.read()


@pytest.mark.parametrize("sent", CLIENTS, ids=lambda sent: sent.client)
def test_store(service: Service, client: httpx.Client, sent: Sent) -> None:
    with connect(service) as connection:
        connection.sendall(head(sent) + payload(sent))
        answer, content = answer_of(connection)
    assert answer.status == sent.status, content
    if sent.status != 200:
        return
    assert answer.getheader("Content-Type") == sent.expected, "with no parameter"
    dataset = native_xml_reader.read(content) if sent.expected == XML else json.loads(content)
    items = dataset["00081199"]["Value"]
    assert "00081198" not in dataset
    assert len(items) == sent.count
    # MONAI Label takes the series out of it, Weasis the instance.
    (url,) = items[0]["00081190"]["Value"]
    assert url == f"http://x/v2{synthetic.path(1)}"
    assert client.get(f"/v2{synthetic.path(1)}/metadata").status_code == 200


def test_expect_100_continue(service: Service, client: httpx.Client) -> None:
    """curl and Orthanc wait for a word before they send much."""
    sent = CLIENTS[0]
    with connect(service) as connection:
        connection.sendall(head(sent, "Expect: 100-continue"))
        first = connection.recv(4096)
        assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(payload(sent))
        answer, _ = answer_of(connection)
    assert answer.status == 200


def test_expect_100_continue_and_refused_before_the_body(service: Service) -> None:
    sent = Sent("no DICOM", "image/jpeg", b"x" * 1000)
    with connect(service) as connection:
        connection.sendall(head(sent, "Expect: 100-continue"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 415 ")


@pytest.mark.parametrize("left", ["", "\r\n", "\r\n--", "\r\n--myboundary", "\r\n--myboundary-"])
def test_a_body_that_is_cut_at_the_closing_delimiter_is_400(
    service: Service, client: httpx.Client, left: str
) -> None:
    """dcm4che's tool does this where Java lets it send its Content-Length, which is too short.

    Whether the last file is whole cannot be told from an upload that broke off, and what is
    acknowledged must be whole: so it is an error that says what is missing.
    """
    whole = framed("myboundary", start="\r\n")
    cut = whole.removesuffix(b"\r\n--myboundary--\r\n") + left.encode()
    sent = Sent("cut", related("myboundary"), cut)
    with connect(service) as connection:
        connection.sendall(head(sent) + payload(sent))
        answer, content = answer_of(connection)
    assert answer.status == 400
    assert b"without its closing delimiter" in content
    assert client.get(STUDY + "/metadata").status_code == 404


def test_two_requests_on_one_connection(service: Service, client: httpx.Client) -> None:
    """Whatever lies behind the closing delimiter belongs to its own request."""
    first = Sent("first", related("b"), framed("b", end="\r\nepilogue"))
    second = Sent("second", related("b"), framed("b", [synthetic.ct(2)]))
    with connect(service) as connection:
        for sent in (first, second):
            connection.sendall(head(sent) + payload(sent))
            answer, _ = answer_of(connection)
            assert answer.status == 200
    (study,) = client.get("/v2/studies").json()
    assert study["00201208"]["Value"] == [2]
