"""What every test may ask for."""

import pytest
from hypothesis import settings

# How fast this machine is, is no property of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["tests.support.postgres", "tests.support.azurite"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop under granian is asyncio's."""
    return "asyncio"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a developer may ask for more of."""
    parser.addoption("--kill-rounds", type=int, default=20, help="rounds of kill -9 under load")
    parser.addoption("--kill-seed", type=int, default=20, help="chooses what is killed, and when")
