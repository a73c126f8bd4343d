"""CORS: what a viewer on another origin can read, in any answer."""

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicomweb.routes import wrapped
from longshore.errors import Unavailable

pytestmark = pytest.mark.anyio

VIEWER = "https://viewer.example"
OTHER = "https://other.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "range,authorization,x-anything",
}


async def _fine(_: Request) -> Response:
    return Response("fine", headers={"ETag": '"a"', "Vary": "Accept"})


async def _busy(_: Request) -> Response:
    raise Unavailable("busy")


async def _broken(_: Request) -> Response:
    raise ValueError


def client(*origins: str) -> httpx.AsyncClient:
    routes = [Route("/fine", _fine), Route("/busy", _busy), Route("/broken", _broken)]
    transport = httpx.ASGITransport(wrapped(routes, cors_origins=origins))
    return httpx.AsyncClient(transport=transport, base_url="http://pacs.example")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/fine", 200), ("/fine?a=%3C", 400), ("/none", 404), ("/broken", 500), ("/busy", 503)],
)
async def test_every_answer_can_be_read(path: str, status: int) -> None:
    async with client(VIEWER) as http:
        answer = await http.get(path, headers={"Origin": VIEWER})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == VIEWER
    assert "Origin" in answer.headers["vary"]
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert exposed >= {
        *("Content-Length", "Content-Range", "ETag", "Link", "Warning", "Content-Location"),
        "Retry-After",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_preflight_allows_what_viewers_send() -> None:
    async with client(VIEWER, "http://localhost:3000") as http:
        answer = await http.options("/fine", headers={"Origin": VIEWER, **PREFLIGHT})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == VIEWER
    assert answer.headers["access-control-allow-headers"] == "range,authorization,x-anything"
    assert "DELETE" in answer.headers["access-control-allow-methods"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_other_origins_are_not_allowed() -> None:
    async with client(VIEWER) as http:
        preflight = await http.options("/fine", headers={"Origin": OTHER, **PREFLIGHT})
        answer = await http.get("/fine", headers={"Origin": OTHER})
    assert preflight.status_code == 400
    assert answer.status_code == 200
    for each in (preflight, answer):
        assert "access-control-allow-origin" not in each.headers


async def test_whose_pages_may_show_answers_within_themselves() -> None:
    async with client(VIEWER, "http://localhost:3000") as http:
        policy = (await http.get("/fine")).headers["content-security-policy"]
    assert "frame-ancestors 'self' https://viewer.example http://localhost:3000;" in policy
    async with client() as http:
        answer = await http.get("/fine")
    assert "frame-ancestors" not in answer.headers.get("content-security-policy", "")
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"


async def test_a_star_allows_all_but_no_cookies() -> None:
    async with client("*") as http:
        answer = await http.get("/fine", headers={"Origin": OTHER})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_without_the_setting_there_is_none() -> None:
    async with client() as http:
        answer = await http.get("/fine", headers={"Origin": VIEWER})
        preflight = await http.options("/fine", headers={"Origin": VIEWER, **PREFLIGHT})
    assert preflight.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]
