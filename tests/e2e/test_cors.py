"""Pages of other origins, as a browser asks for them."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support import synthetic
from tests.support.service import running

VIEWER = "https://viewer.example"
STUDY = f"/v2/studies/{synthetic.uids(1)[0]}"


@pytest.fixture(scope="module", params=[f"{VIEWER}, http://localhost:3000", "*"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    data = tmp_path_factory.mktemp("cors") / "data"
    with (
        running(data, "--cors-origins", request.param) as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/studies", 204),
        ("GET", STUDY, 404),
        ("GET", "/v2/studies/abc", 400),
        ("POST", "/v2/studies", 415),
        ("GET", "/v2/studies?a=%3c", 400),
    ],
)
def test_answers_may_be_read(client: httpx.Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, headers={"Origin": VIEWER})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] in (VIEWER, "*")
    exposed = answer.headers["access-control-expose-headers"].lower()
    for name in ("content-range", "etag", "link", "warning", "content-length"):
        assert name in exposed
    assert "access-control-allow-credentials" not in answer.headers


def test_the_question_beforehand(client: httpx.Client) -> None:
    headers = {
        "Origin": VIEWER,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, authorization, range",
    }
    answer = client.options("/v2/studies", headers=headers)
    assert answer.status_code == 200
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()


def test_other_origins_are_not_let_in(client: httpx.Client) -> None:
    answer = client.get("/v2/studies", headers={"Origin": "https://evil.example"})
    assert answer.headers.get("access-control-allow-origin") in (None, "*")


def test_without_the_setting_nothing_is_let_in(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("closed") / "data") as service:
        answer = httpx.get(f"{service.url}/v2/studies", headers={"Origin": VIEWER})
        assert "access-control-allow-origin" not in answer.headers
