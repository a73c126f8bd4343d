"""Azurite, the Azure Blob Storage emulator from npm, on a port and in a folder of its own."""

import contextlib
import itertools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.ports import free_port

PROGRAM = Path(__file__).resolve().parents[1] / "node_modules" / ".bin" / "azurite-blob"
START_S_MAX = 30.0
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's well-known key."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running Azurite with its blobs in files; yields the account's connection string."""
    assert PROGRAM.exists(), "Azurite is not installed; `make test` installs it from npm"
    folder = tmp_path_factory.mktemp("azurite")
    port = free_port()
    command = [str(PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    command += ["--location", str(folder), "--silent", "--skipApiVersionCheck"]
    command += ["--disableTelemetry", "--loose"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}/{ACCOUNT}"
    try:
        _wait(url, process, folder / "log")
        yield (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={url};"
        )
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def azurite_containers(azurite: str) -> Iterator[str]:
    """Locations for `--blobs`, each with a container of its own."""
    return iter(f"{azurite}Container=test{number}" for number in _numbers)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        assert process.poll() is None, f"Azurite did not start: {log.read_text()}"
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url, timeout=5)
            return
        time.sleep(0.1)
    msg = f"Azurite did not answer within {START_S_MAX} s: {log.read_text()}"
    raise AssertionError(msg)
