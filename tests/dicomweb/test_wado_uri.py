"""WADO-URI, and what OPTIONS says of each resource."""

import xml.etree.ElementTree as ET

import httpx
import pytest

from longshore.dicomweb.routes import PARTITIONED_ROUTES, SHARED_ROUTES
from tests.dicomweb.packs import EXPLICIT, JPEG, Stored
from tests.dicomweb.shelf import Shelf

pytestmark = pytest.mark.anyio

FILE = Stored(b"a file", {}, transfer_syntax_uid=JPEG)
NAMED = "/v2/wado?requestType=WADO&studyUID=1.2&seriesUID=1.2.3&objectUID=1.2.3.4"
DICOM = f"{NAMED}&contentType=application%2Fdicom"
WADL = "application/vnd.sun.wadl+xml"


@pytest.mark.parametrize(
    "url",
    [DICOM, f"{DICOM}&transferSyntax={JPEG}", f"{NAMED}&contentType=image/x,application/dicom"],
)
async def test_an_instance_is_its_bytes(http: httpx.AsyncClient, shelf: Shelf, url: str) -> None:
    shelf.store(FILE)
    # What a browser sends with an image says nothing of what is asked for.
    response = await http.get(url, headers={"Accept": "image/avif,*/*;q=0.8"})
    assert (response.status_code, response.content) == (200, FILE.payload)
    assert response.headers["content-type"] == f"application/dicom; transfer-syntax={JPEG}"
    head = await http.head(url)
    assert head.headers["content-length"] == str(len(FILE.payload))
    tag = response.headers["etag"]
    assert (await http.get(url, headers={"If-None-Match": tag})).status_code == 304
    part = await http.get(url, headers={"Range": "bytes=2-"})
    assert (part.status_code, part.content) == (206, b"file")


@pytest.mark.parametrize(
    ("url", "status", "text"),
    [
        ("/v2/wado", 400, "The query parameter 'requestType' must be given once."),
        ("/v2/wado?requestType=X", 400, "requestType must be WADO."),
        ("/v2/wado?requestType=WADO", 400, "The query parameter 'studyUID' must be given once."),
        (f"{DICOM}&objectUID=1", 400, "The query parameter 'objectUID' must be given once."),
        (DICOM.replace("studyUID=1.2", "studyUID=x"), 400, "DICOM Identifier is invalid."),
        (f"{DICOM}&anonymize=yes", 400, "anonymize is not supported; leave it out."),
        (DICOM.replace("objectUID=1.2.3.4", "objectUID=9"), 404,
         "The specified instance cannot be found."),
        (f"{DICOM}&transferSyntax={EXPLICIT}", 406, "The pixel data cannot be processed."),
    ],
)  # fmt: skip
async def test_refusals(
    http: httpx.AsyncClient, shelf: Shelf, url: str, status: int, text: str
) -> None:
    shelf.store(FILE)
    response = await http.get(url)
    assert response.status_code == status
    assert response.text.startswith(text)


@pytest.mark.parametrize("path", [route.path for route in (*PARTITIONED_ROUTES, *SHARED_ROUTES)])
async def test_every_resource_has_capabilities(http: httpx.AsyncClient, path: str) -> None:
    url = "/v2" + path.replace("{", "").replace("}", "").replace(":path", "")
    response = await http.options(url)
    assert response.status_code == 200
    assert response.headers["content-type"] == WADL
    allowed = set(response.headers["allow"].split(", "))
    assert "OPTIONS" in allowed
    root = ET.fromstring(response.content)  # noqa: S314 - our own
    names = {each.attrib["name"] for each in root.iter() if each.tag.endswith("}method")}
    assert names == allowed - {"HEAD", "OPTIONS"}
    assert '</v2/api.json>; rel="service-desc"' in response.headers["link"]


async def test_capabilities_name_media_types(http: httpx.AsyncClient) -> None:
    text = (await http.options("/v2/studies/1.2/metadata")).text
    for media_type in ("application/dicom+json", "application/dicom+xml"):
        assert f'<representation mediaType="{media_type}"/>' in text
    assert '<param name="includefield" style="query"/>' in text
    as_json = await http.options("/v2/studies/1.2", headers={"Accept": "application/json"})
    assert as_json.headers["content-type"] == "application/json"
    assert as_json.json()["paths"]["/v2/studies/{study}"]["get"]["operationId"] == "retrieveStudy"
    assert (await http.options("/v2/nothing")).status_code == 404
