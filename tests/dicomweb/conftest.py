"""The routes over a `Shelf`."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from longshore.dicomweb import (
    delete,
    retrieve,
    retrieve_all_bulkdata,
    retrieve_bulkdata,
    retrieve_metadata,
)
from longshore.dicomweb.origin import Origin
from longshore.dicomweb.routes import build_app
from tests.dicomweb.shelf import Shelf


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf()
    for module in (retrieve, retrieve_bulkdata, retrieve_all_bulkdata, retrieve_metadata):
        monkeypatch.setattr(module, "locate", shelf.locate)
    monkeypatch.setattr(delete, "delete", shelf.delete)
    monkeypatch.setattr(delete, "record_dead", shelf.record_dead)
    return shelf


@pytest.fixture
def app(shelf: Shelf) -> Starlette:
    app = build_app()
    stand_in: Any = shelf
    app.state.origin = Origin(database=stand_in, blobs=stand_in.blobs, stores=stand_in)
    return app


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client that adds no Accept and no Accept-Encoding of its own."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://pacs.example") as client:
        del client.headers["accept"], client.headers["accept-encoding"]
        yield client
    await app.state.origin.codecs.close()
