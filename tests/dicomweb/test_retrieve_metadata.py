import gzip
import json
import zlib

import httpx
import pytest

from longshore.services import retrieve_metadata
from tests.dicomweb.packs import Stored, deflated
from tests.dicomweb.shelf import Shelf

pytestmark = pytest.mark.anyio

PLAIN = [
    Stored(b"p" * 10, {"00080018": {"vr": "UI", "Value": [f"1.2.3.{n}"]}},
           sop_instance_uid=f"1.2.3.{n}")
    for n in range(5)
]  # fmt: skip
NESTED = "bulkdata/0040A730/0/0040A123?offset=0&length=6"
PDF = Stored(
    b"header" + b"%PDF-1.7" + b"trailer",
    {
        "00080018": {"vr": "UI", "Value": ["1.2.3.9"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": '"BulkDataURI":"bulkdata/1?offset=0'}]},
        "00420011": {"vr": "OB", "BulkDataURI": "bulkdata/00420011?offset=6&length=8"},
        "00420012": {"vr": "LO", "Value": ["application/pdf"]},
        "0040A730": {"vr": "SQ", "Value": [
            {"0040A123": {"vr": "OB", "BulkDataURI": NESTED}}
        ]},
    },
    sop_instance_uid="1.2.3.9",
)  # fmt: skip
BROKEN_LENGTH = Stored(
    b"123", {"00420011": {"vr": "OB", "BulkDataURI": "bulkdata/00420011?offset=1&length=3"}},
    sop_instance_uid="1.2.3.8",
)  # fmt: skip
INSTANCE = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.9"


async def raw(http: httpx.AsyncClient, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.stream("GET", path, headers=named) as response:
        return response, b"".join([chunk async for chunk in response.aiter_raw()])


@pytest.mark.parametrize("level", ["", "/series/1.2.3"])
async def test_gzip_is_stitched_without_inflating(
    http: httpx.AsyncClient, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.delattr(retrieve_metadata, "_inflate")
    shelf.store(*PLAIN[:3])
    shelf.store(*PLAIN[3:])
    response, body = await raw(http, f"/v2/studies/1.2{level}/metadata", accept_encoding="gzip")
    assert response.headers["content-type"] == "application/dicom+json"
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-length"] == str(len(body))
    # One member, whole: a reader that stops after the first must see everything.
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    plain = reader.decompress(body)
    assert reader.eof
    assert reader.unused_data == b""
    assert json.loads(plain) == [each.metadata for each in PLAIN]
    assert len(shelf.blobs.requests) == 2


async def test_identity_is_the_same_array(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(*PLAIN)
    for encoding in ("", "identity", "gzip;q=0", "br"):
        response, body = await raw(http, "/v2/studies/1.2/metadata", accept_encoding=encoding)
        assert "content-encoding" not in response.headers
        assert response.headers["content-length"] == str(len(body))
        assert json.loads(body) == [each.metadata for each in PLAIN]


async def test_one_instance_is_an_array_too(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(*PLAIN)
    path = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.2/metadata"
    for encoding in ("gzip", "identity"):
        response = await http.get(path, headers={"accept-encoding": encoding})
        assert response.json() == [PLAIN[2].metadata]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_bulkdata_urls_become_absolute(
    http: httpx.AsyncClient, shelf: Shelf, encoding: str
) -> None:
    shelf.store(PLAIN[0], PDF, PLAIN[1])
    response, body = await raw(http, "/V2/studies/1.2/metadata", accept_encoding=encoding)
    assert "content-length" not in response.headers
    plain = gzip.decompress(body) if encoding == "gzip" else body
    first, pdf, last = json.loads(plain)
    assert (first, last) == (PLAIN[0].metadata, PLAIN[1].metadata)
    base = "http://pacs.example/V2/studies/1.2/series/1.2.3/instances/1.2.3.9/bulkdata"
    assert pdf["00420011"] == {"vr": "OB", "BulkDataURI": f"{base}/00420011"}
    nested = pdf["0040A730"]["Value"][0]["0040A123"]["BulkDataURI"]
    assert nested == f"{base}/0040A730/0/0040A123"
    assert pdf["00100010"] == PDF.metadata["00100010"]
    got = await http.get(nested)
    assert (got.status_code, got.content) == (200, b"header")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/octet-stream"),
        ("*/*", "application/octet-stream"),
        ("application/pdf", "application/pdf"),
        ("application/octet-stream; transfer-syntax=*", "application/octet-stream"),
    ],
)
async def test_bulkdata_comes_from_the_stored_file(
    http: httpx.AsyncClient, shelf: Shelf, accept: str, content_type: str
) -> None:
    shelf.store(PLAIN[0], PDF)
    response = await http.get(f"{INSTANCE}/bulkdata/00420011", headers={"accept": accept})
    assert response.content == b"%PDF-1.7"
    assert response.headers["content-type"] == content_type
    assert response.headers["content-length"] == "8"


async def test_bulkdata_as_parts(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(PDF)
    accept = 'multipart/related; type="application/octet-stream"'
    response = await http.get(f"{INSTANCE}/bulkdata/00420011", headers={"accept": accept})
    assert b"\r\nContent-Type: application/octet-stream\r\n\r\n%PDF-1.7\r\n--" in response.content


async def test_bulkdata_that_is_not_there(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(PDF, PLAIN[1], BROKEN_LENGTH)
    series = "/v2/studies/1.2/series/1.2.3/instances"
    for path in ("1.2.3.9/bulkdata/7FE00010", "1.2.3.1/bulkdata/00420011", "7/bulkdata/00420011",
                 "1.2.3.8/bulkdata/00420011"):  # fmt: skip
        assert (await http.get(f"{series}/{path}")).status_code == 404, path
    refused = await http.get(f"{series}/1.2.3.9/bulkdata/0040A730/0/0040A123",
                             headers={"accept": "application/pdf"})  # fmt: skip
    assert refused.status_code == 406


async def test_metadata_has_an_etag_that_follows_the_instances(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.store(*PLAIN[:2])
    path = "/v2/studies/1.2/metadata"
    tag = (await http.get(path)).headers["etag"]
    assert tag[0] == tag[-1] == '"'
    assert (await http.get(path, headers={"accept-encoding": "gzip"})).headers["etag"] != tag
    shelf.store(PLAIN[2])
    changed = await http.get(path, headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    shelf.located.pop()
    assert (await http.get(path)).headers["etag"] == tag


@pytest.mark.parametrize(
    ("condition", "http_status"),
    [
        ("{quoted}", 304), ("{bare}", 304), ("W/{quoted}", 304), ("*", 304),
        ('"other", {quoted}', 304), ('W/"x",W/{quoted} , "y"', 304), ("x, {bare}", 304),
        ('"a, {bare}"', 200), ('"other"', 200), ("other", 200), ('"*"', 200), ("", 200),
    ],
)  # fmt: skip
async def test_if_none_match(
    http: httpx.AsyncClient, shelf: Shelf, condition: str, http_status: int
) -> None:
    shelf.store(*PLAIN)
    path = "/v2/studies/1.2/metadata"
    quoted = (await http.get(path)).headers["etag"]
    condition = condition.format(quoted=quoted, bare=quoted.strip('"'))
    response = await http.get(path, headers={"if-none-match": condition})
    assert response.status_code == http_status
    assert response.headers["etag"] == quoted
    assert (response.content == b"") == (http_status == 304)


async def test_metadata_refusals(http: httpx.AsyncClient, shelf: Shelf) -> None:
    for path in ("/v2/studies/1.2/metadata", "/v2/studies/1.2/series/3/metadata"):
        assert (await http.get(path)).status_code == 404
    shelf.store(*PLAIN)
    response = await http.get("/v2/studies/1.2/metadata", headers={"accept": "application/dicom"})
    assert response.status_code == 406
    assert "application/dicom+json" in response.text


async def test_a_damaged_pack_is_not_served_as_metadata(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.store(PLAIN[0])
    (located,) = shelf.located
    whole = bytearray(shelf.blobs.contents[located.segment.blob])
    other = deflated(PLAIN[1].json)
    assert len(other) == located.segment.length
    for damaged in (other, bytes(len(other))):
        whole[located.segment.offset : located.segment.end] = damaged
        shelf.blobs.contents[located.segment.blob] = bytes(whole)
        response = await http.get("/v2/studies/1.2/metadata")
        assert response.status_code == 503
        assert response.text == "The metadata of instance 1.2.3.0 is damaged."
