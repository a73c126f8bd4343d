"""The service's parts in this process: index, storage, routes; one set per blob backend."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from longshore.settings import Settings
from tests.services.shop import Shop, opened


@pytest.fixture(params=["local", "azurite"])
def location(request: pytest.FixtureRequest) -> str:
    """Where blobs lie, empty and of its own for each test."""
    if request.param == "azurite":
        return next(request.getfixturevalue("azurite_containers"))
    return "local"


@pytest.fixture
async def shop(dsn: str, location: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """A service on each backend."""
    async with opened(Settings(database=dsn, blobs=location, data=tmp_path)) as shop:
        yield shop


@pytest.fixture
async def local_shop(dsn: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """A service on local files, for what no backend changes."""
    async with opened(Settings(database=dsn, data=tmp_path)) as shop:
        yield shop


@pytest.fixture
def spare_dsn(empty_dsn: str) -> str:
    """A database to rebuild into."""
    with psycopg.connect(empty_dsn) as connection:
        connection.execute("SELECT 1")
    return empty_dsn
