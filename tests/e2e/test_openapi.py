"""Schemathesis against a running service: no 5xx, and no answer that the document does not have."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.processes import ROOT
from tests.support.schemathesis_hooks import files
from tests.support.service import Service, running
from tests.support.stow import multipart

pytestmark = pytest.mark.timeout(300)

TIME_S = 20
"""How long each document's requests go on."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)


@pytest.fixture(scope="module", params=["off", "on"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with something in it, without and with partitions."""
    data = tmp_path_factory.mktemp("openapi") / "data"
    rules = ["--partitions", request.param, "--workers", "2", "--deleted-retention-s", "1"]
    with running(data, *rules, "--sweep-interval-s", "0.5") as service:
        prefix = "/partitions/Microsoft.Default" if request.param == "on" else ""
        content_type, body = multipart(files())
        answer = httpx.post(
            f"{service.url}/v2{prefix}/studies",
            content=body,
            headers={"Content-Type": content_type},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        yield service


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_no_answer_is_a_fault_or_undocumented(
    filled: Service, version: str, tmp_path: Path
) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{filled.url}/{version}/api.json"),
        *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"),
        *("--max-time", str(TIME_S), "--max-examples", "40", "--request-timeout", "30"),
        *("--seed", "1", "--generation-database", "none", "--no-shrink", "--no-color"),
        *("--warnings", "off", "--continue-on-failure"),
    ]
    environ = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-4_000:]
    assert "unexpected" not in filled.log.read_text()
