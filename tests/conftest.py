"""What every test may ask for."""

import pytest

pytest_plugins = ["tests.support.postgres", "tests.support.azurite"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop under granian is asyncio's."""
    return "asyncio"
