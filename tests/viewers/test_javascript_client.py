"""npm's dicomweb-client, as it is, in a browser on a page of another origin."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page
from pydicom.encaps import generate_frames

from tests.support import synthetic
from tests.support.corpus import CORPUS
from tests.viewers.conftest import FILES, Reading

SCRIPT = Path(__file__).parents[1] / "node_modules/dicomweb-client/build/dicomweb-client.js"
CALL = """async ([url, method, options]) => {
    const client = new DICOMwebClient.api.DICOMwebClient({url, singlepart: options.singlepart});
    const plain = async value => {
        if (Array.isArray(value)) return Promise.all(value.map(plain));
        if (!(value instanceof ArrayBuffer)) return value;
        const reader = new FileReader();
        const read = new Promise(done => reader.onload = () => done(reader.result));
        reader.readAsDataURL(new Blob([value]));
        return await read;
    };
    return await plain(await client[method](options));
}"""


@pytest.fixture
def page(browser: Browser, reading: Reading) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{reading.viewer}/manifest.json")
    page.add_script_tag(path=SCRIPT)
    yield page
    context.close()


def call(page: Page, reading: Reading, method: str, **options: object) -> Any:
    """Returns what a method of the client returns; buffers as bytes."""
    found = page.evaluate(CALL, [f"{reading.service}/v2", method, options])
    return as_bytes(found)


def as_bytes(found: Any) -> Any:
    if isinstance(found, str) and found.startswith("data:"):
        return base64.b64decode(found.partition(",")[2])
    return [as_bytes(each) for each in found] if isinstance(found, list) else found


def uids(reading: Reading, name: str) -> dict[str, str]:
    """The names of an instance, as the client's options have them."""
    _, _, _, study, _, series, _, instance = reading.paths[name].split("/")
    return {
        "studyInstanceUID": study,
        "seriesInstanceUID": series,
        "sopInstanceUID": instance,
    }


def content(name: str) -> bytes:
    return (CORPUS / FILES[name]).read_bytes()


def test_searches(page: Page, reading: Reading) -> None:
    names = uids(reading, "CT 1")
    query = {"PatientID": str(pydicom.dcmread(io.BytesIO(content("CT 1"))).PatientID)}
    (study,) = call(page, reading, "searchForStudies", queryParams=query)
    assert study["0020000D"]["Value"] == [names["studyInstanceUID"]]
    (series,) = call(page, reading, "searchForSeries", **names)
    assert series["0020000E"]["Value"] == [names["seriesInstanceUID"]]
    assert len(call(page, reading, "searchForInstances", **names)) == 3


def test_metadata(page: Page, reading: Reading) -> None:
    names = uids(reading, "CT 1")
    study = call(page, reading, "retrieveStudyMetadata", **names)
    series = call(page, reading, "retrieveSeriesMetadata", **names)
    assert len(study) == 3
    assert study == series
    (instance,) = call(page, reading, "retrieveInstanceMetadata", **names)
    assert instance in series


def test_instances(page: Page, reading: Reading) -> None:
    names = uids(reading, "CT 1")
    all_of_it = {content(f"CT {number}") for number in (1, 2, 3)}
    assert set(call(page, reading, "retrieveStudy", **names)) == all_of_it
    assert set(call(page, reading, "retrieveSeries", **names)) == all_of_it
    assert call(page, reading, "retrieveInstance", **names) == content("CT 1")


@pytest.mark.parametrize("media_type", ["image/jpeg", "application/octet-stream", None])
def test_frames(page: Page, reading: Reading, media_type: str | None) -> None:
    names = uids(reading, "ultrasound")
    dataset = pydicom.dcmread(io.BytesIO(content("ultrasound")))
    frames = list(generate_frames(dataset.PixelData, number_of_frames=30))
    options: dict[str, object] = {"frameNumbers": [30, 1]}
    if media_type is not None:
        syntax = dataset.file_meta.TransferSyntaxUID if media_type == "image/jpeg" else "*"
        options["mediaTypes"] = [{"mediaType": media_type, "transferSyntaxUID": str(syntax)}]
    found = call(page, reading, "retrieveInstanceFrames", **names, **options)
    if media_type is None:  # octets, and so decoded
        assert [len(each) for each in found] == [240 * 320 * 3] * 2
    else:
        assert found == [frames[29], frames[0]]


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/gif"])
def test_rendered(page: Page, reading: Reading, media_type: str) -> None:
    names = uids(reading, "ultrasound")
    options = {"mediaTypes": [{"mediaType": media_type}]}
    kind = media_type.removeprefix("image/").upper()
    for method, more in (
        ("retrieveInstanceRendered", {}),
        ("retrieveInstanceFramesRendered", {"frameNumbers": [7]}),
    ):
        (octets,) = call(page, reading, method, **names, **options, **more)
        image = Image.open(io.BytesIO(octets))
        assert (image.format, image.size) == (kind, (320, 240))
    (small,) = call(page, reading, "retrieveInstanceThumbnail", **names, **options)
    assert max(Image.open(io.BytesIO(small)).size) == 200


def test_bulkdata(page: Page, reading: Reading) -> None:
    (found,) = httpx.get(f"{reading.service}{reading.paths['PDF']}/metadata").json()
    document = pydicom.dcmread(io.BytesIO(content("PDF"))).EncapsulatedDocument
    options = {"BulkDataURI": found["00420011"]["BulkDataURI"]}
    assert call(page, reading, "retrieveBulkData", **options) == [document]
    ranged = {"headers": {"Range": "bytes=2-9", "Accept": "application/octet-stream"}}
    part = call(page, reading, "retrieveBulkData", singlepart="bulkdata", **options, **ranged)
    assert part == [document[2:10]]


def test_stores(page: Page, reading: Reading) -> None:
    file = synthetic.ct(77)
    page.evaluate(
        """async ([url, text]) => {
            const octets = Uint8Array.from(atob(text), each => each.charCodeAt(0));
            const client = new DICOMwebClient.api.DICOMwebClient({url});
            await client.storeInstances({datasets: [octets.buffer]});
        }""",
        [f"{reading.service}/v2", base64.b64encode(file).decode()],
    )
    url = f"{reading.service}/v2{synthetic.path(77)}"
    assert httpx.get(url, headers={"Accept": "application/dicom"}).content == file
    assert httpx.delete(url).status_code == 204
