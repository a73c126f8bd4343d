"""Services for the end-to-end tests, one per blob backend, kept for all tests of a module."""

from collections.abc import Iterator

import pytest

from tests.support.service import Service, running


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
