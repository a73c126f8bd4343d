"""What holds for every request and every answer, over a real socket.

Numbers in test names are lines of the reference's acceptance checklist. Lines 7 and 8 are of
authentication, line 9 is in `tests/dicomweb/test_openapi.py`.
"""

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support import synthetic
from tests.support.service import Service, running

DICOM = {"Content-Type": "application/dicom"}
STUDY_UID, SERIES_UID, SOP_UID = synthetic.uids(1)
STUDY = f"/v2/studies/{STUDY_UID}"
INSTANCE = f"/v2{synthetic.path(1)}"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one instance."""
    with running(tmp_path_factory.mktemp("protocol") / "data", "--workers", "1") as service:
        url = f"{service.url}/v2/studies"
        assert httpx.post(url, content=synthetic.ct(1), headers=DICOM).status_code == 200
        yield service


@pytest.fixture
def client(filled: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=filled.url, timeout=60) as client:
        yield client


def raw(service: Service, target: bytes) -> bytes:
    """Sends a request target that no client library would; returns the whole answer."""
    request = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_line_1_another_version_is_refused_in_the_envelope(client: httpx.Client) -> None:
    answer = client.get("/v3/studies")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "UnsupportedApiVersion"
    assert answer.json()["error"].keys() == {"code", "message"}


def test_line_2_without_a_version_there_is_nothing(client: httpx.Client) -> None:
    for path in ("/studies", "/vfoo/studies", "/"):
        answer = client.get(path)
        assert (answer.status_code, answer.content) == (404, b"")


def test_line_3_answers_name_the_versions(client: httpx.Client) -> None:
    for path in ("/v1/studies?limit=1", "/v2/studies?limit=1", "/v2/studies/1.2", "/v2/changefeed"):
        assert client.get(path).headers["api-supported-versions"] == "1.0-prerelease, 1, 2"


ANSWERS = [
    ("GET", STUDY, {}, 200),
    ("GET", "/v2/studies?PatientID=nobody", {}, 204),
    ("GET", f"{STUDY}/metadata", {"If-None-Match": "*"}, 304),
    ("GET", "/v2/studies/x", {}, 400),
    ("GET", "/v2/studies?a=%3C", {}, 400),
    ("GET", "/v9/studies", {}, 400),
    ("GET", "/v2/studies/1.2", {}, 404),
    ("GET", "/nothing", {}, 404),
    ("PATCH", STUDY, {}, 405),
    ("GET", STUDY, {"Accept": "image/png"}, 406),
    ("POST", "/v2/studies", DICOM, 409),
    ("POST", "/v2/studies", {"Content-Type": "image/png"}, 415),
    ("GET", "/health/check", {}, 200),
    ("GET", "/v2/api.yaml", {}, 200),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), ANSWERS)
def test_line_4_every_answer_has_the_standard_headers(
    client: httpx.Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    content = synthetic.ct(1) if status == 409 else None
    answer = client.request(method, path, headers=headers, content=content)
    assert answer.status_code == status, answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["content-security-policy"] == "frame-src 'self';"


@pytest.mark.parametrize("query", ["PatientID=%3cx", "PatientID=%3Cx", "%3C=1", "a=b&c=d%3c"])
def test_line_5_a_query_with_a_tag_bracket_is_refused(client: httpx.Client, query: str) -> None:
    for path in ("/v2/studies", STUDY, "/v1/changefeed", "/health/check", "/nothing"):
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert answer.text == "The query string included invalid characters."


def test_line_5_so_is_one_that_is_not_encoded(filled: Service) -> None:
    assert raw(filled, b"/v2/studies?PatientID=<x").startswith(b"HTTP/1.1 400 ")
    assert raw(filled, b"/v2/studies?PatientID=%253cx").startswith(b"HTTP/1.1 204 ")


def test_line_6_health_is_open_to_everyone(client: httpx.Client) -> None:
    answer = client.get("/health/check")
    assert (answer.status_code, answer.json()["overallStatus"]) == (200, "Healthy")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/studies/x", 400),
        ("/v2/studies?limit=0", 400),
        ("/v2/changefeed?limit=x", 400),
        ("/v2/studies/1.2", 404),
        (f"{STUDY}/series/1.2", 404),
        (f"{INSTANCE}/frames/9", 404),
        (f"{INSTANCE}/frames/x", 400),
        ("/v2/partitions", 400),
    ],
)
def test_line_10_errors_are_plain_text(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text


def test_a_refused_method_names_what_is_allowed(client: httpx.Client) -> None:
    answer = client.patch(STUDY)
    assert answer.status_code == 405
    allowed = set(answer.headers["allow"].split(", "))
    assert allowed == {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"}


@pytest.mark.parametrize(
    "path",
    [
        f"/V2/Studies/{STUDY_UID}/Series/{SERIES_UID}/Instances/{SOP_UID}/Frames/1",
        f"{INSTANCE}/frames/1%2C1",
        f"{INSTANCE}/frames/1/",
        f"/v2.0/studies/{STUDY_UID}/",
        "/HEALTH/check",
    ],
)
def test_paths_are_matched_as_the_models_routes_are(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


FORWARDED = {
    "X-Forwarded-Host": "pacs.example:8443, inner",
    "X-Forwarded-Prefix": "/dicom/web/",
    "X-Forwarded-Proto": "https",
}


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({}, "http://{host}"),
        (FORWARDED, "https://pacs.example:8443/dicom/web"),
        ({"X-Forwarded-Host": "[2001:db8::1]:80"}, "http://[2001:db8::1]:80"),
        ({"X-Forwarded-Prefix": "a"}, "http://{host}/a"),
        ({"X-Forwarded-Host": "evil/path"}, "http://{host}"),
        ({"X-Forwarded-Host": 'x"y'}, "http://{host}"),
        ({"X-Forwarded-Proto": "javascript"}, "http://{host}"),
        ({"X-Forwarded-Prefix": "/a?b"}, "http://{host}"),
        ({"X-Forwarded-Prefix": "//evil.example"}, "http://{host}"),
        ({"X-Forwarded-Prefix": "a" * 4_000 + "!"}, "http://{host}"),
    ],
)
def test_urls_are_those_that_a_proxy_was_asked(
    client: httpx.Client, filled: Service, headers: dict[str, str], url: str
) -> None:
    answer = client.get("/v2/studies", headers=headers)
    (found,) = answer.json()
    expected = url.format(host=f"127.0.0.1:{filled.port}")
    assert found["00081190"]["Value"] == [f"{expected}{STUDY}"]


@pytest.mark.parametrize(
    "accept", ['application/dicom;transfer-syntax="*"', "application/dicom;transfer-syntax=*"]
)
def test_line_142_a_quoted_parameter(client: httpx.Client, accept: str) -> None:
    answer = client.get(INSTANCE, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/dicom; transfer-syntax=1.2.840.")
    assert answer.content[128:132] == b"DICM"


def test_line_145_what_the_models_client_reads_of_409_and_304(client: httpx.Client) -> None:
    instance = client.get(INSTANCE, headers={"Accept": "application/dicom"}).content
    headers = {"Content-Type": "application/dicom", "Accept": "application/dicom+json"}
    answer = client.post("/v2/studies", content=instance, headers=headers)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/dicom+json"
    assert isinstance(answer.json(), dict)
    assert "00081198" in answer.json()
    # It sends the tag back as it came, with or without quotes.
    tag = client.get(f"{INSTANCE}/metadata").headers["etag"]
    for known in (tag, tag.strip('"')):
        again = client.get(f"{INSTANCE}/metadata", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
