"""DCMTK reads what is retrieved, as stored and transcoded; pydicom finds the same pixels in it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest

from tests.support.corpus import CORPUS
from tests.support.service import running
from tests.viewers.conftest import stored

FILES = {
    "CT": "files/pydicom/CT_small.dcm",
    "CT, implicit": "files/dcmqi/01.dcm",
    "CT, big endian": "files/dicomparser/CT1_UNC.explicit_big_endian.dcm",
    "CT, JPEG 2000": "files/cornerstone3d/CT2_J2KR",
    "CT, JPEG-LS": "files/dicomparser/CT0012.fragmented_no_bot_jpeg_ls.80.dcm",
    "CT, JPEG lossless": "files/dcm4che/CT-JPEGLosslessSV1.dcm",
    "CT, RLE": "files/fo-dicom/D_CLUNIE_CT1_RLE_FRAGS.dcm",
    "MR, HTJ2K": "files/dicomhtj2k/MR1_JPH",
    "US, many frames": "files/pydicom/examples_ybr_color.dcm",
    "US, RGB": "files/pydicom-data/US1_UNCR.dcm",
    "US, palette, many frames": "files/pydicom-data/OBXXXX1A_2frame.dcm",
    "SR": "files/highdicom/sr_document.dcm",
    "PDF": "files/orthanc-setup-samples/OT000000.dcm",
}
EXPLICIT = "1.2.840.10008.1.2.1"
TARGETS = {
    EXPLICIT: "dcmdump",
    "1.2.840.10008.1.2.4.80": "dcmdjpls",
    "1.2.840.10008.1.2.5": "dcmdrle",
    # DCMTK parses these, and decodes none of them.
    "1.2.840.10008.1.2.4.90": "dcmdump",
    "1.2.840.10008.1.2.4.201": "dcmdump",
}
"""Transfer syntaxes, and the program of DCMTK that opens their pixels."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        running(tmp_path_factory.mktemp("dcmtk") / "data") as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def paths(client: httpx.Client) -> dict[str, str]:
    return {name: stored(client, file) for name, file in FILES.items()}


def read_by_dcmtk(program: str, file: Path) -> list[str]:
    """Runs a program over a file; returns what it complains of."""
    out = [str(file.with_suffix(".out"))] if program != "dcmdump" else []
    done = subprocess.run([program, str(file), *out], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))]
    return complaints + ([] if done.returncode == 0 else [f"exit code {done.returncode}"])


@pytest.mark.parametrize("name", FILES)
def test_as_stored(client: httpx.Client, paths: dict[str, str], tmp_path: Path, name: str) -> None:
    accept = "application/dicom; transfer-syntax=*"
    answer = client.get(paths[name], headers={"Accept": accept})
    assert answer.content == (CORPUS / FILES[name]).read_bytes()
    file = tmp_path / "stored.dcm"
    file.write_bytes(answer.content)
    assert read_by_dcmtk("dcmdump", file) == []


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [name for name in FILES if name not in ("SR", "PDF")])
def test_transcoded(
    client: httpx.Client, paths: dict[str, str], tmp_path: Path, name: str, target: str
) -> None:
    accept = f"application/dicom; transfer-syntax={target}"
    answer = client.get(paths[name], headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    file = tmp_path / "transcoded.dcm"
    file.write_bytes(answer.content)
    found = pydicom.dcmread(file)
    assert found.file_meta.TransferSyntaxUID == target
    original = pydicom.dcmread(CORPUS / FILES[name])
    assert np.array_equal(found.pixel_array, original.pixel_array)
    assert read_by_dcmtk(TARGETS[target], file) == []
    if target != EXPLICIT and TARGETS[target] != "dcmdump":
        opened = pydicom.dcmread(file.with_suffix(".out"))
        assert np.array_equal(opened.pixel_array, original.pixel_array)
