import gzip
import logging

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from longshore.dicomweb.edge import ResponseCutError
from longshore.dicomweb.errors import STATUSES, status_of
from longshore.dicomweb.routes import wrapped
from longshore.errors import (
    InvalidRequest,
    LongshoreError,
    NotFound,
    TooLarge,
    Unavailable,
)
from tests.dicomweb.packs import Stored
from tests.dicomweb.shelf import Shelf

pytestmark = pytest.mark.anyio
ONE = Stored(b"DICM", {"00080060": {"vr": "CS"}})


@pytest.mark.parametrize("version", ["1", "1.0", "1.0-prerelease", "1.0-PRERELEASE", "2", "2.0"])
async def test_every_version_is_served(http: httpx.AsyncClient, shelf: Shelf, version: str) -> None:
    shelf.store(ONE)
    response = await http.get(f"/v{version}/studies/1.2")
    assert response.status_code == 200
    assert response.headers["api-supported-versions"] == "1.0-prerelease, 1, 2"


@pytest.mark.parametrize("version", ["3", "0", "2.1", "3.0-preview"])
async def test_other_versions_are_refused_in_the_envelope(
    http: httpx.AsyncClient, version: str
) -> None:
    response = await http.get(f"/v{version}/studies?limit=1")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "error": {
            "code": "UnsupportedApiVersion",
            "message": "The HTTP resource that matches the request URI"
            f" 'http://pacs.example/v{version}/studies' does not support the API version"
            f" '{version}'.",
        }
    }


@pytest.mark.parametrize(
    "path", ["/", "/studies", "/vfoo/studies", "/v/studies", "/v2", "/v2/", "/v2/nothing",
             "/v2/studies/1/2", "/v2/studies/1.2/nothing", "/x/v2/studies"],
)  # fmt: skip
async def test_what_is_no_route_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert (response.status_code, response.content) == (404, b"")
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/V2/Studies/1.2", "/v2/STUDIES/1.2/Metadata", "/v2/studies/1.2/",
             "/v2/studies/1.2%20", "/v2/studies/1.2/SERIES/1.2.3/Instances/1.2.3.4/",
             "/v2/studies/1.2/metadata/",
             "/Health/Check/"],
)  # fmt: skip
async def test_case_and_a_slash_at_the_end_do_not_matter(
    http: httpx.AsyncClient, shelf: Shelf, path: str
) -> None:
    shelf.store(ONE)
    assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/v2/studies", "GET, HEAD, OPTIONS, POST, PUT"),
        ("PATCH", "/v2/studies/1.2", "DELETE, GET, HEAD, OPTIONS, POST, PUT"),
        ("POST", "/v2/studies/1.2/metadata", "GET, HEAD, OPTIONS"),
        ("TRACE", "/v1/changefeed", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v2/studies", "GET, HEAD, OPTIONS, POST, PUT"),
    ],
)
async def test_other_methods_are_refused_with_all_that_are_allowed(
    http: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    response = await http.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allow
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/v2/studies/1.2", "/v2/studies/1.2/metadata", "/health/check"])
async def test_head_is_get_without_its_body(
    http: httpx.AsyncClient, shelf: Shelf, path: str
) -> None:
    shelf.store(ONE)
    got = await http.get(path)
    shelf.blobs.requests.clear()
    head = await http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    same = ["content-length", "x-content-type-options"]
    assert [head.headers[name] for name in same] == [got.headers[name] for name in same]
    assert shelf.blobs.requests == []


@pytest.mark.parametrize("path", ["/v2/studies/1.2", "/v2/nothing", "/nothing", "/health/check",
                                  "/v9/studies"])  # fmt: skip
async def test_every_answer_has_the_standard_headers(http: httpx.AsyncClient, path: str) -> None:
    headers = (await http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"] == "frame-src 'self';"
    assert ("api-supported-versions" in headers) == path.startswith("/v")


@pytest.mark.parametrize("query", ["PatientID=<x", "PatientID=%3cx", "a=%3C", "<"])
async def test_a_query_with_a_tag_bracket_is_refused(http: httpx.AsyncClient, query: str) -> None:
    response = await http.get(f"/v2/studies?{query}")
    assert response.status_code == 400
    assert response.text == "The query string included invalid characters."
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


BAD_UIDS = [
    "/v2/studies/abc", "/v2/studies/1.2.", "/v2/studies/%C2%B2", "/v2/studies/1.2/series/x",
    "/v2/studies/1.2/series/1/instances/" + "1" * 65, "/v2/studies/1-2/series/1/instances/1",
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in BAD_UIDS),
        *(("DELETE", path) for path in BAD_UIDS),
        *(("GET", f"{path}/metadata") for path in BAD_UIDS),
        ("GET", "/v2/studies/1.2/series/1/instances/a/frames/1"),
        ("GET", "/v2/studies/1.2/series/1/instances/a/bulkdata/00420011"),
    ],
)
async def test_a_path_with_a_bad_uid_is_refused(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await http.request(method, path)
    assert response.status_code == 400
    assert response.text.startswith("DICOM Identifier is invalid.")


async def test_partitions_say_that_they_are_off(http: httpx.AsyncClient) -> None:
    for path in ("/v2/partitions", "/v2/partitions/a/studies/1.2", "/v2/partitions/..a/studies"):
        response = await http.get(path)
        assert response.status_code == 400
        assert response.text == "Data partitions feature is disabled."


async def test_health_names_what_fails(http: httpx.AsyncClient, shelf: Shelf) -> None:
    healthy = await http.get("/health/check")
    assert (healthy.status_code, healthy.json()["overallStatus"]) == (200, "Healthy")
    shelf.blobs.is_up = False
    unhealthy = await http.get("/health/check")
    assert unhealthy.status_code == 503
    assert unhealthy.json() == {
        "overallStatus": "Unhealthy",
        "details": [
            {"name": "database", "status": "Healthy"},
            {"name": "blobs", "status": "Unhealthy"},
        ],
    }
    shelf.is_database_up = False
    details = (await http.get("/health/check")).json()["details"]
    assert [each["status"] for each in details] == ["Unhealthy", "Unhealthy"]


def client_of(*routes: Route) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(wrapped(routes))
    return httpx.AsyncClient(transport=transport, base_url="http://pacs.example")


def test_every_error_has_a_status() -> None:
    # What only the command line raises never reaches a route.
    ours = {
        kind for kind in LongshoreError.__subclasses__() if kind.__module__ == "longshore.errors"
    }
    assert set(STATUSES) == ours

    class Narrower(NotFound):
        pass

    assert status_of(Narrower()) == 404
    assert status_of(LongshoreError()) == 500


@pytest.mark.parametrize(
    ("error", "http_status", "text"),
    [
        (InvalidRequest("so"), 400, "so"),
        (TooLarge("9 bytes"), 413, "9 bytes"),
        (LongshoreError("inner"), 500, None),
        (Unavailable("full"), 503, "full"),
    ],
)
async def test_errors_are_plain_text(
    error: LongshoreError, http_status: int, text: str | None
) -> None:
    async def fails(_: Request) -> Response:
        raise error

    async with client_of(Route("/", fails)) as client:
        response = await client.get("/")
    assert response.status_code == http_status
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == (text or response.text)
    assert "inner" not in response.text
    assert ("retry-after" in response.headers) == (http_status == 503)


async def test_an_unexpected_error_is_logged_without_its_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(_: Request) -> Response:
        raise ValueError("Doe^Jane")

    with caplog.at_level(logging.DEBUG):
        async with client_of(Route("/", fails)) as client:
            response = await client.get("/")
    assert response.status_code == 500
    assert response.text.startswith("The server encountered an internal error.")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "ValueError" in caplog.text
    assert "test_routes.py" in caplog.text
    assert "Doe" not in caplog.text


async def test_an_error_after_the_first_byte_cuts_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body():
        yield b"begun"
        raise ValueError("Doe^Jane")

    async def streams(_: Request) -> Response:
        return StreamingResponse(body())

    async with client_of(Route("/", streams)) as client:
        with pytest.raises(ResponseCutError) as caught:
            await client.get("/")
    assert caught.value.__suppress_context__
    assert "Doe" not in caplog.text


@pytest.mark.parametrize(
    ("length", "accept_encoding", "media_type", "is_gzip"),
    [
        (3000, "gzip", "application/dicom+json", True),
        (100_000, "gzip, br", "application/json", True),
        (2000, "gzip", "application/dicom+json", False),
        (3000, "identity", "application/dicom+json", False),
        (3000, "gzip", "application/dicom", False),
        (3000, "gzip", "text/plain", False),
    ],
)
async def test_json_is_compressed_where_it_pays(
    length: int, accept_encoding: str, media_type: str, is_gzip: bool
) -> None:
    async def answers(_: Request) -> Response:
        return Response(b" " * length, media_type=media_type)

    async with (
        client_of(Route("/", answers)) as client,
        client.stream("GET", "/", headers={"accept-encoding": accept_encoding}) as response,
    ):
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers.get("content-encoding") == ("gzip" if is_gzip else None)
    assert response.headers["content-length"] == str(len(raw))
    assert (gzip.decompress(raw) if is_gzip else raw) == b" " * length
    assert response.headers.get("vary") == ("Accept-Encoding" if is_gzip else None)


async def test_what_has_a_coding_or_is_streamed_is_not_compressed_again() -> None:
    async def coded(_: Request) -> Response:
        return JSONResponse({}, headers={"content-encoding": "identity"})

    async def body():
        yield b"[" + b" " * 5000
        yield b"]"

    async def streams(_: Request) -> Response:
        return StreamingResponse(body(), media_type="application/dicom+json")

    async with client_of(Route("/coded", coded), Route("/streams", streams)) as client:
        response = await client.get("/coded", headers={"accept-encoding": "gzip"})
        assert response.headers["content-encoding"] == "identity"
        response = await client.get("/streams", headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in response.headers
        assert response.json() == []
