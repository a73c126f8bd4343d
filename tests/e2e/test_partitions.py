"""`longshore serve --partitions on`, as a process: what it prints; there is no way back."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support import synthetic
from tests.support.load import wait_for
from tests.support.service import Service, running

DICOM = {"Content-Type": "application/dicom"}


def store(service: Service, prefix: str) -> None:
    url = f"{service.url}/v2{prefix}/studies"
    assert httpx.post(url, content=synthetic.ct(1), headers=DICOM, timeout=60).status_code == 200


def refusal(data: Path) -> str:
    """What it says when it does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "longshore", "serve", "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


@pytest.mark.timeout(240)
def test_line_137_it_cannot_be_switched_off_once_a_partition_is_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as service:
        store(service, "")
    with running(data, "--partitions", "on") as service:
        # It greets when it has answered itself; we may have been answered before.
        wait_for(lambda: "/v2/partitions/Microsoft.Default/studies" in service.log.read_text())
        url = f"{service.url}/v2/partitions/Microsoft.Default{synthetic.path(1)}"
        headers = {"Accept": "application/dicom"}
        assert httpx.get(url, headers=headers, timeout=60).content == synthetic.ct(1)
    with running(data) as service:  # nothing but the default partition: there is a way back
        assert httpx.get(f"{service.url}/v2{synthetic.path(1)}", timeout=60).status_code == 200
    with running(data, "--partitions", "on") as service:
        store(service, "/partitions/second")
    said = refusal(data)
    assert said.count("\n") == 1
    assert said.startswith("longshore: --partitions: cannot be off any more")
    assert said.rstrip().endswith("start with --partitions on")
