"""Metadata with some fields only, and as XML."""

import gzip
import json
import tracemalloc
import xml.etree.ElementTree as ET

import httpx
import pytest
from typing_extensions import override

from longshore.dicomweb.native_xml import NAMESPACE
from tests.dicomweb.packs import Stored
from tests.dicomweb.shelf import Shelf
from tests.dicomweb.test_retrieve_metadata import INSTANCE, PDF, PLAIN, raw
from tests.support import related

pytestmark = pytest.mark.anyio

XML = 'multipart/related; type="application/dicom+xml"'
FULL = {
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
    "00080018": {"vr": "UI", "Value": ["1.2.3.0"]},
    "00080060": {"vr": "CS", "Value": ["CT"]},
    "00081115": {"vr": "SQ", "Value": [{"0020000E": {"vr": "UI", "Value": ["1.2"]}}]},
    "00090010": {"vr": "LO", "Value": ["OWNER"]},
    "00091001": {"vr": "LO", "Value": ["a"]},
    "00280030": {"vr": "DS", "Value": [0.5, 0.5]},
}
ALWAYS = {"00080016", "00080018"}


@pytest.mark.parametrize(
    ("query", "tags"),
    [
        ("includefield=Modality", {"00080060"}),
        ("includefield=00080060,PixelSpacing", {"00080060", "00280030"}),
        ("includefield=00080060&includefield=00280030", {"00080060", "00280030"}),
        ("includefield=ReferencedSeriesSequence.SeriesInstanceUID", {"00081115"}),
        ("includefield=00091001", {"00090010", "00091001"}),
        ("includefield=PatientName", set()),
        ("includefield=NoSuchThing", set()),
        ("includefield=all", set(FULL)),
        ("includefield=Modality,all", set(FULL)),
        ("includefield=", set(FULL)),
        ("", set(FULL)),
    ],
)
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("level", ["", "/series/1.2.3", "/series/1.2.3/instances/1.2.3.4"])
async def test_only_the_fields_that_are_named(
    http: httpx.AsyncClient, shelf: Shelf, level: str, encoding: str, query: str, tags: set[str]
) -> None:
    shelf.store(Stored(b"x", FULL))
    path = f"/v2/studies/1.2{level}/metadata"
    response = await http.get(f"{path}?{query}", headers={"accept-encoding": encoding})
    (found,) = response.json()
    assert found == {tag: FULL[tag] for tag in sorted(tags | ALWAYS)}
    assert response.headers.get("content-encoding") == ("gzip" if encoding == "gzip" else None)
    is_all = tags == set(FULL)
    other = (await http.get(path, headers={"accept-encoding": encoding})).headers["etag"]
    assert (response.headers["etag"] == other) == is_all


async def test_bulkdata_that_is_left_out_and_that_is_not(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.store(PDF)
    (found,) = (await http.get(f"{INSTANCE}/metadata?includefield=00420011")).json()
    assert found["00420011"]["BulkDataURI"].endswith("/instances/1.2.3.9/bulkdata/00420011")
    (found,) = (await http.get(f"{INSTANCE}/metadata?includefield=00420012")).json()
    assert found.keys() == {"00080018", "00420012"}


def tags_of(document: bytes) -> dict[str, ET.Element]:
    root = ET.fromstring(document)  # noqa: S314 - our own
    assert root.tag == f"{{{NAMESPACE}}}NativeDicomModel"
    return {each.attrib["tag"]: each for each in root}


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_xml_has_a_part_for_each_instance(
    http: httpx.AsyncClient, shelf: Shelf, encoding: str
) -> None:
    shelf.store(*PLAIN, PDF)
    headers = {"accept": XML, "accept-encoding": encoding}
    response = await http.get("/v2/studies/1.2/metadata", headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"].endswith('; type="application/dicom+xml"')
    assert response.headers.get("content-encoding") == ("gzip" if encoding == "gzip" else None)
    parts = related.parts(response)
    assert {part.content_type for part in parts} == {"application/dicom+xml"}
    documents = [tags_of(part.content) for part in parts]
    uids = ["".join(each["00080018"].itertext()) for each in documents]
    assert uids == [each.sop_instance_uid for each in (*PLAIN, PDF)]
    (bulkdata,) = documents[-1]["00420011"]
    assert bulkdata.attrib["uri"] == f"http://pacs.example{INSTANCE}/bulkdata/00420011"


async def test_xml_keeps_digits_and_takes_fields(http: httpx.AsyncClient, shelf: Shelf) -> None:
    text = '{"00080018":{"vr":"UI","Value":["1"]},"00280030":{"vr":"DS","Value":[0.50,1e2]}}'

    class Digits(Stored):
        @property
        @override
        def json(self) -> bytes:
            return text.encode()

    shelf.store(Digits(b"x", {}))
    path = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.4/metadata"
    headers = {"accept": "application/dicom+xml"}
    response = await http.get(path, headers=headers)
    assert response.headers["content-type"] == "application/dicom+xml"
    values = [each.text for each in tags_of(response.content)["00280030"]]
    assert values == ["0.50", "1e2"]
    response = await http.get(f"{path}?includefield=Modality", headers=headers)
    assert tags_of(response.content).keys() == {"00080018"}


async def test_each_representation_has_a_tag_of_its_own(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.store(PLAIN[0])
    path = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.0/metadata"
    tags: set[str] = set()
    for accept in ("application/dicom+json", XML, "application/dicom+xml"):
        for encoding in ("gzip", "identity"):
            headers = {"accept": accept, "accept-encoding": encoding}
            tag = (await http.get(path, headers=headers)).headers["etag"]
            tags.add(tag)
            again = await http.get(path, headers={**headers, "if-none-match": tag})
            assert again.status_code == 304
    assert len(tags) == 6


async def test_json_is_preferred_unless_xml_is_named(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(PLAIN[0])
    for accept in ("*/*", "application/*", "application/dicom+json, application/dicom+xml;q=0.9"):
        response = await http.get("/v2/studies/1.2/metadata", headers={"accept": accept})
        assert response.headers["content-type"] == "application/dicom+json"


async def test_memory_does_not_grow_with_the_series(http: httpx.AsyncClient, shelf: Shelf) -> None:
    private = {f"0009{n:04X}": {"vr": "LO", "Value": ["text" * 20]} for n in range(0x1000, 0x1080)}
    shelf.store(*(Stored(b"x", private, sop_instance_uid=f"1.{n}") for n in range(1_000)))
    headers = {"accept": XML, "accept-encoding": "gzip"}
    size, peak = 0, 0
    tracemalloc.start()
    try:
        async with http.stream("GET", "/v2/studies/1.2/metadata", headers=headers) as response:
            # httpx's transport gathers the whole body; it is short, since it is compressed.
            async for chunk in response.aiter_raw():
                size += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    plain_bytes = 1_000 * len(json.dumps(private))
    assert size > 0
    assert peak < plain_bytes / 2


async def test_gzip_is_one_member(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(*PLAIN)
    _, packed = await raw(http, "/v2/studies/1.2/metadata", accept=XML, accept_encoding="gzip")
    _, plain = await raw(http, "/v2/studies/1.2/metadata", accept=XML)
    coded = gzip.decompress(packed)
    own, other = (each.split(b"\r\n", 1)[0] for each in (coded, plain))
    assert own != other
    assert coded.replace(own, other) == plain
