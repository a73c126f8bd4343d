"""Store of metadata and bulkdata apart (PS3.18 10.5.1.1), over a real socket."""

import contextlib
import io
import json
import select
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from longshore.dicomweb import native_xml
from tests.support import synthetic
from tests.support.described import JSON, Part, as_json, bulk, described, metadata, pixels
from tests.support.related import parts
from tests.support.service import Service, running
from tests.support.sockets import connect, status_of, store_head

STUDY = f"/v2/studies/{synthetic.uids(1)[0]}"
INSTANCE = f"/v2{synthetic.path(1)}"
OCTETS = "application/octet-stream"
SYNTAX = "transfer-syntax=1.2.840.10008.1.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEGS = [b"\xff\xd8\xff\xc0\x00\x04one!", b"\xff\xd8\xff\xc0\x00\x04 two"]


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client
        client.delete(STUDY)


def post(
    client: httpx.Client,
    sent: Sequence[Part],
    *,
    root_type: str = JSON,
    path: str = "/v2/studies",
    method: str = "POST",
) -> httpx.Response:
    headers, body = described(sent, root_type=root_type)
    return client.request(method, path, content=body, headers=headers)


def comments(answer: httpx.Response, sequence: str = "00081198") -> list[str]:
    (item,) = answer.json()[sequence]["Value"]
    return [each["00000902"]["Value"][0] for each in item["00741048"].get("Value", [])]


def frames(client: httpx.Client, numbers: str) -> list[bytes]:
    accept = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
    answer = client.get(f"{INSTANCE}/frames/{numbers}", headers=accept)
    assert answer.status_code == 200, answer.text
    return [part.content for part in parts(answer)]


def file(client: httpx.Client) -> pydicom.Dataset:
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    return pydicom.dcmread(io.BytesIO(client.get(INSTANCE, headers=accept).content))


def test_native_pixel_data(client: httpx.Client, service: Service) -> None:
    answer = post(client, [as_json(metadata(1), metadata(2, uri="bulk/2")), bulk(pixels(1)),
                           bulk(pixels(2), location="bulk/2")])  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == JSON
    items = answer.json()["00081199"]["Value"]
    assert [item["00081155"]["Value"][0] for item in items] == [
        synthetic.uids(1)[2],
        synthetic.uids(2)[2],
    ]
    assert frames(client, "1") == [pixels(1)]
    stored = file(client)
    assert stored.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert stored.file_meta.MediaStorageSOPInstanceUID == synthetic.uids(1)[2]
    assert np.array_equal(
        stored.pixel_array, pydicom.dcmread(io.BytesIO(synthetic.ct(1))).pixel_array
    )
    (found,) = client.get(f"{INSTANCE}/metadata").json()
    expected = metadata(1)
    del expected["7FE00010"]
    expected["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert {tag: found[tag] for tag in expected} == expected
    assert "SYNTHETIC" not in service.log.read_text()


@pytest.mark.parametrize("syntax", [SYNTAX, f"{SYNTAX}.1", f"{SYNTAX}.1.99", "transfer-syntax=*"])
def test_native_bulkdata_that_name_their_syntax(client: httpx.Client, syntax: str) -> None:
    sent = [as_json(metadata()), bulk(pixels(), media_type=f"{OCTETS}; {syntax}")]
    assert post(client, sent).status_code == 200
    assert frames(client, "1") == [pixels()]
    assert file(client).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_metadata_as_xml(client: httpx.Client, service: Service) -> None:
    """Each data set is a part of its own; the bulkdata's location is absolute."""
    url = f"{service.url}/v2/bulk/"
    headers = {"Content-Type": "application/dicom+xml; transfer-syntax=1.2.840.10008.1.2.1 "}
    sent: list[Part] = [
        (headers, native_xml.write(metadata(number, uri=f"bulk/{number}"))) for number in (1, 2)
    ]
    sent += [bulk(pixels(number), location=f"{url}{number} ") for number in (1, 2)]
    answer = post(client, sent, root_type="application/dicom+xml")
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["00081199"]["Value"]) == 2
    assert frames(client, "1") == [pixels(1)]


@pytest.mark.parametrize(
    "media_type",
    [
        f"image/jpeg; transfer-syntax={JPEG_BASELINE}",
        f'image/jpeg;transfer-syntax="{JPEG_BASELINE}"',
        "image/jpeg",
    ],
)
def test_frames_of_jpeg_become_encapsulated_pixel_data(
    client: httpx.Client, media_type: str
) -> None:
    model = metadata(NumberOfFrames={"vr": "IS", "Value": [2]})
    answer = post(client, [as_json(model), *(bulk(each, media_type=media_type) for each in JPEGS)])
    assert answer.status_code == 200, answer.text
    assert file(client).file_meta.TransferSyntaxUID == JPEG_BASELINE
    assert frames(client, "2,1") == [JPEGS[1], JPEGS[0]]


def test_an_object_of_json_instead_of_an_array(client: httpx.Client) -> None:
    """dcm4che's older tool: application/json, one object."""
    part: Part = (
        {"Content-Type": "application/json; transfer-syntax=1.2.840.10008.1.2.1 "},
        json.dumps(metadata(uri="file:/tmp/x.dcm?offset=1&length=2")).encode(),
    )
    location = "file:/tmp/x.dcm?offset=1&length=2"
    answer = post(client, [part, bulk(pixels(), location=location)], root_type="application/json")
    assert answer.status_code == 200, answer.text
    assert frames(client, "1") == [pixels()]


def test_bulkdata_by_content_id(client: httpx.Client) -> None:
    part: Part = ({"Content-Id": "<pixels@here>"}, pixels())
    answer = post(client, [as_json(metadata(uri="cid:pixels%40here")), part])
    assert answer.status_code == 200, answer.text
    assert frames(client, "1") == [pixels()]


def test_metadata_without_bulkdata(client: httpx.Client) -> None:
    assert post(client, [as_json(metadata(PixelData=None))]).status_code == 200
    assert "PixelData" not in file(client)


def test_an_encapsulated_document(client: httpx.Client) -> None:
    document = {"vr": "OB", "BulkDataURI": "doc"}
    model = metadata(PixelData=None, EncapsulatedDocument=document)
    sent = [as_json(model), bulk(b"%PDF-1.7", location="doc", media_type="application/pdf")]
    assert post(client, sent).status_code == 200
    assert file(client).EncapsulatedDocument == b"%PDF-1.7"


def test_missing_bulkdata_refuses_its_instance_only(client: httpx.Client) -> None:
    answer = post(client, [as_json(metadata(1, uri="gone"), metadata(2)), bulk(pixels(2))])
    assert answer.status_code == 202
    expected = "DICOM100: (7fe0,0010) - No part of the request is the bulkdata that it names."
    assert comments(answer) == [expected]
    (item,) = answer.json()["00081198"]["Value"]
    assert item["00081155"]["Value"] == [synthetic.uids(1)[2]]
    assert item["00081197"]["Value"] == [43264]
    alone = post(client, [as_json(metadata(1, uri="gone"))])
    assert alone.status_code == 409


def test_the_rules_of_every_store_hold(client: httpx.Client) -> None:
    bad = metadata(StudyDate={"vr": "DA", "Value": ["NotADate"]})
    sent = [as_json(bad), bulk(pixels())]
    assert post(client, sent, path="/v1/studies").status_code == 409
    other = f"/v2/studies/{synthetic.uids(1, study=2)[0]}"
    assert post(client, sent, path=other).status_code == 409
    answer = post(client, sent, path=STUDY)
    assert answer.status_code == 202
    assert "does not validate VR DA" in comments(answer, "00081199")[0]
    again = post(client, sent)
    assert again.json()["00081198"]["Value"][0]["00081197"]["Value"] == [45070]
    assert post(client, [as_json(metadata()), bulk(pixels())], method="PUT").status_code == 200
    assert file(client).StudyDate == "20260102"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_no_parts(client: httpx.Client, version: str) -> None:
    assert post(client, [], path=f"/{version}/studies").status_code == 204


def _broken(content: bytes, media_type: str = JSON) -> list[Part]:
    return [({"Content-Type": media_type}, content), bulk(pixels())]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (_broken(b"["), "no JSON"),
        (_broken(b"\xff"), "no JSON"),
        (_broken(b"[" * 5000), "no JSON"),
        (_broken(b"[]"), "no instance"),
        (_broken(b"5"), "no object"),
        (_broken(b'[{"PatientID": {"vr": "LO"}}]'), "hexadecimal"),
        (_broken(b'[{"00100020": "x"}]'), "no object"),
        (_broken(b'[{"00100020": {"vr": "XX"}}]'), "no vr"),
        (_broken(b'[{"00100020": {"vr": "LO", "Value": "x"}}]'), "no array"),
        (_broken(b'[{"00100020": {"vr": "OB", "BulkDataURI": 5}}]'), "no text"),
        (_broken(b'[{"00100020": {"vr": "OB", "BulkDataURI": "http://["}}]'), "no URI"),
        (_broken(b'[{"00081110": {"vr": "SQ", "Value": [5]}}]'), "no object"),
        (
            _broken(b'{"00081110": {"vr": "SQ", "Value": [' * 66 + b"{}" + b"]}}" * 66),
            "64 sequences",
        ),
        (_broken(b"<x/>", "application/dicom+xml"), "Native DICOM Model"),
        (_broken(b"<!DOCTYPE x><x/>", "application/dicom+xml"), "document type"),
        ([bulk(pixels())], "first part"),
        (
            [as_json(metadata()), bulk(pixels(), media_type=f"{OCTETS}; {SYNTAX}.2")],
            "little endian",
        ),
    ],
)
def test_broken_metadata_is_400_and_stores_nothing(
    client: httpx.Client, sent: list[Part], reason: str
) -> None:
    answer = post(client, sent)
    assert answer.status_code == 400, answer.text
    assert reason in answer.text
    assert client.get("/v2/studies").status_code == 204


def test_a_body_that_is_cut_is_400(client: httpx.Client) -> None:
    headers, body = described([as_json(metadata()), bulk(pixels())])
    for cut in (len(body) // 2, len(body) - 6):
        answer = client.post("/v2/studies", content=body[:cut], headers=headers)
        assert answer.status_code == 400
    assert client.get("/v2/studies").status_code == 204


def test_one_frame_cannot_be_of_two_syntaxes_at_once(client: httpx.Client) -> None:
    inner: dict[str, Any] = {"7FE00010": {"vr": "OB", "BulkDataURI": "inner"}}
    model = metadata(IconImageSequence={"vr": "SQ", "Value": [inner]})
    sent = [
        as_json(model),
        bulk(JPEGS[0], media_type=f"image/jpeg; transfer-syntax={JPEG_BASELINE}"),
        bulk(b"x", location="inner", media_type="image/jp2"),
    ]
    answer = post(client, sent)
    assert answer.status_code == 409
    assert "several transfer syntaxes" in comments(answer)[0]


@pytest.mark.timeout(120)
def test_what_is_in_memory_is_bounded_for_all_requests_together(tmp_path: Path) -> None:
    """Half of `in_flight_bytes_max` each, at most; a third one that would pass it is told so."""
    data = tmp_path / "data"
    rules = ["--in-flight-bytes-max", "1MiB", "--workers", "1"]
    headers, body = described([as_json(metadata()), bulk(bytes(450_000))])
    with running(data, *rules) as service, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(service)) for _ in range(3)]
        for connection in connections:
            connection.sendall(store_head(len(body), headers["Content-Type"]))
            connection.sendall(body[:-10])
        readable, _, _ = select.select(connections, [], [], 30)
        assert len(readable) == 1
        assert status_of(readable[0]) == 503
        for connection in connections:
            if connection is not readable[0]:
                connection.sendall(body[-10:])
        statuses = [status_of(each) for each in connections if each is not readable[0]]
        assert sorted(statuses) == [200, 409], "the second is a duplicate"
        with httpx.Client(base_url=service.url) as client:
            assert post(client, [as_json(metadata(2)), bulk(bytes(600_000))]).status_code == 413
            assert post(client, [as_json(metadata(2)), bulk(pixels(2))]).status_code == 200


@pytest.mark.timeout(120)
def test_limits_and_long_bulkdata(tmp_path: Path) -> None:
    rules = ["--metadata-store-bytes-max", "8MiB", "--part-bytes-max-in-memory", "1MiB"]
    data = tmp_path / "data"
    with running(data, *rules) as service, httpx.Client(base_url=service.url) as client:
        size = {"vr": "US", "Value": [1024]}
        model = metadata(Rows=size, Columns=size)
        long = bytes(range(256)) * (2 * 1024 * 1024 // 256)
        assert post(client, [as_json(model), bulk(long)]).status_code == 200
        assert frames(client, "1") == [long]
        too_long = post(client, [as_json(model), bulk(long * 5)])
        assert too_long.status_code == 413
        assert f"{8 * 1024**2} bytes" in too_long.text
        # Bulkdata that many name, so that a small request would become large.
        many = {
            f"0029{element:04X}": {"vr": "OB", "BulkDataURI": "bulk/1"}
            for element in range(0x1000, 0x1010)
        }
        answer = post(client, [as_json(metadata(2) | many), bulk(long)])
        assert answer.status_code == 409
        assert "The file has more than" in comments(answer)[0]
        several = [metadata(number) for number in range(2, 30)]
        answer = post(client, [as_json(*several), bulk(long)])
        assert answer.status_code == 202
        assert len(answer.json()["00081199"]["Value"]) < 17
