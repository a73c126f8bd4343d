"""A blob store of each backend, empty and of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from longshore.blobs.open import open_blob_store
from longshore.blobs.store import BlobStore


@pytest.fixture(params=["local", "azurite"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    location = "local"
    if request.param == "azurite":
        location = next(request.getfixturevalue("azurite_containers"))
    store = await open_blob_store(location, data_folder=tmp_path)
    yield store
    await store.close()
