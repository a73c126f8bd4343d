"""A service that holds images, OHIF, and a browser."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support import ohif
from tests.support.corpus import CORPUS
from tests.support.ports import free_port
from tests.support.service import running

FILES = {
    "CT 1": "files/dcmqi/01.dcm",
    "CT 2": "files/dcmqi/02.dcm",
    "CT 3": "files/dcmqi/03.dcm",
    "ultrasound": "files/pydicom/examples_ybr_color.dcm",
    "JPEG 2000": "files/cornerstone3d/CT1_J2KR",
    "HTJ2K": "files/dicomhtj2k/MR1_JPH",
    "PDF": "files/orthanc-setup-samples/OT000000.dcm",
    "SR": "files/highdicom/sr_document_with_multiple_groups.dcm",
}
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
FLAGS = (
    "--no-sandbox",
    # WebGL without a graphics card
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


@dataclass(frozen=True)
class Reading:
    """What readers need.

    Attributes:
        service: Address of the service.
        viewer: Address of OHIF.
        paths: Of the instances, by the names in `FILES`.
    """

    service: str
    viewer: str
    paths: dict[str, str]

    def study(self, name: str) -> str:
        """The UID of an instance's study."""
        return self.paths[name].split("/")[3]


@pytest.fixture(scope="session")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    port = free_port()
    data = tmp_path_factory.mktemp("viewers") / "data"
    origin = f"http://127.0.0.1:{port}"
    with running(data, "--cors-origins", origin) as service:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            paths = {name: stored(client, file) for name, file in FILES.items()}
        with ohif.serving(port, f"{service.url}/v2") as viewer:
            yield Reading(service.url, viewer, paths)


def stored(client: httpx.Client, file: str) -> str:
    """Stores a file of the corpus; returns its path."""
    headers = {"Content-Type": "application/dicom", "Accept": "application/dicom+json"}
    content = (CORPUS / file).read_bytes()
    answer = client.post("/v2/studies", content=content, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    return httpx.URL(answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]).path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = next(path for path in CHROMIUM if Path(path).exists())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS])
        yield browser
        browser.close()
