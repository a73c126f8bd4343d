"""Services for the end-to-end tests, one per blob backend, kept for all tests of a module."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support import searched
from tests.support.service import Service, running
from tests.support.stow import multipart


@pytest.fixture(scope="module", params=["local", "azurite"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A running service; the tests of a module leave nothing stored behind."""
    data = tmp_path_factory.mktemp("service")
    arguments: list[str] = []
    if request.param == "azurite":
        arguments = ["--blobs", next(request.getfixturevalue("azurite_containers"))]
    with running(data / "data", *arguments) as service:
        yield service


@pytest.fixture(scope="module")
def searched_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service that holds `tests.support.searched`, each file stored on its own."""
    data = tmp_path_factory.mktemp("searched") / "data"
    with running(data) as service, httpx.Client(base_url=service.url, timeout=60) as client:
        for content in searched.files():
            content_type, body = multipart([content])
            headers = {"Content-Type": content_type, "Accept": "application/dicom+json"}
            answer = client.post("/v2/studies", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
        yield client
