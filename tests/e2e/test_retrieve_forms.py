"""Retrieve's rarer resources over a real service, on files of the corpus, each read back apart."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pydicom
import pytest
from pydicom.encaps import generate_frames

from tests.support import related, synthetic
from tests.support.corpus import CORPUS
from tests.support.service import Service
from tests.support.stow import multipart

OCTETS = "application/octet-stream"
FILES = {
    "jpeg": "files/pydicom/examples_ybr_color.dcm",
    "fragmented": "files/dicomparser/CT0012.fragmented_no_bot_jpeg_ls.80.dcm",
    "bits": "files/dcmqi/label.seg",
    "deflated": "files/dicom-server/DeflatedExplicitVRLittleEndian.dcm",
    "pdf": "files/orthanc-setup-samples/OT000000.dcm",
    "video": "made_here/video_h264_orthanc_masked.dcm",
}


@dataclass(frozen=True)
class File:
    """A stored file."""

    content: bytes
    dataset: pydicom.FileDataset

    @classmethod
    def of(cls, content: bytes) -> "File":
        return cls(content, pydicom.dcmread(io.BytesIO(content)))

    @property
    def study(self) -> str:
        return f"/v2/studies/{self.dataset.StudyInstanceUID}"

    @property
    def series(self) -> str:
        return f"{self.study}/series/{self.dataset.SeriesInstanceUID}"

    @property
    def path(self) -> str:
        return f"{self.series}/instances/{self.dataset.SOPInstanceUID}"


STORED = {name: File.of((CORPUS / path).read_bytes()) for name, path in FILES.items()}
CTS = [File.of(synthetic.ct(number)) for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    """A service that holds the files."""
    with httpx.Client(base_url=service.url, timeout=60) as client:
        content_type, body = multipart([each.content for each in (*STORED.values(), *CTS)])
        answer = client.post("/v2/studies", content=body, headers={"Content-Type": content_type})
        assert answer.status_code in (200, 202), answer.text
        yield client


def frames_of(file: File) -> list[bytes]:
    count = int(file.dataset.get("NumberOfFrames", 1))
    return list(generate_frames(file.dataset.PixelData, number_of_frames=count))


@pytest.mark.parametrize("name", ["jpeg", "fragmented"])
def test_compressed_pixel_data_are_a_part_for_each_frame(client: httpx.Client, name: str) -> None:
    file = STORED[name]
    answer = client.get(f"{file.path}/pixeldata")
    assert answer.status_code == 200, answer.text
    parts = related.parts(answer)
    assert [part.content for part in parts] == frames_of(file)
    syntax = file.dataset.file_meta.TransferSyntaxUID
    assert {part.content_type for part in parts} == {f"{OCTETS}; transfer-syntax={syntax}"}
    location = f"Content-Location: {client.base_url}{file.path}/frames/1\r\n"
    assert location.encode() in answer.content


@pytest.mark.parametrize("name", ["bits", "deflated"])
def test_native_pixel_data_are_one_value(client: httpx.Client, name: str) -> None:
    file = STORED[name]
    answer = client.get(f"{file.path}/pixeldata", headers={"Accept": OCTETS})
    assert answer.status_code == 200, answer.text
    expected = file.dataset.PixelData
    assert answer.content == expected[: len(answer.content)]
    assert len(expected) - len(answer.content) <= 1  # padding
    part = client.get(f"{file.path}/pixeldata", headers={"Accept": OCTETS, "Range": "bytes=7-19"})
    assert (part.status_code, part.content) == (206, expected[7:20])


@pytest.mark.parametrize("level", ["study", "series"])
def test_pixel_data_of_many_instances(client: httpx.Client, level: str) -> None:
    answer = client.get(f"{getattr(CTS[0], level)}/pixeldata")
    assert [each.content for each in related.parts(answer)] == [
        each.dataset.PixelData for each in CTS
    ]
    assert answer.headers["content-length"] == str(len(answer.content))
    asked = {"Range": "bytes=100-", "Accept": 'multipart/related; type="application/octet-stream"'}
    rest = client.get(f"{getattr(CTS[0], level)}/pixeldata", headers=asked)
    assert (rest.status_code, rest.content) == (206, answer.content[100:])


def test_what_has_no_pixel_data(client: httpx.Client) -> None:
    for path in (STORED["pdf"].path, STORED["pdf"].study):
        answer = client.get(f"{path}/pixeldata")
        assert answer.status_code == 404
        assert answer.text == "The specified pixel data cannot be found."
    refused = client.get(f"{CTS[0].study}/pixeldata", headers={"Accept": "image/jpeg"})
    assert refused.status_code == 406
    several = client.get(f"{CTS[0].study}/pixeldata", headers={"Accept": OCTETS})
    assert several.status_code == 400
    assert client.get("/v2/studies/1.2.3.4/pixeldata").text == (
        "The specified study cannot be found."
    )


def named(file: File) -> dict[str, str]:
    """The parameters that name an instance for the URI service."""
    return {
        "requestType": "WADO",
        "studyUID": file.dataset.StudyInstanceUID,
        "seriesUID": file.dataset.SeriesInstanceUID,
        "objectUID": file.dataset.SOPInstanceUID,
    }


@pytest.mark.parametrize("resource", ["frames/1", "pixeldata"])
def test_a_video_plays(client: httpx.Client, resource: str) -> None:
    file = STORED["video"]
    (stream,) = generate_frames(file.dataset.PixelData, number_of_frames=1)
    for accept in ("video/mp4", "video/webm,video/ogg,video/*;q=0.9,*/*;q=0.5"):
        whole = client.get(f"{file.path}/{resource}", headers={"Accept": accept})
        assert whole.content == stream
        syntax = file.dataset.file_meta.TransferSyntaxUID
        assert whole.headers["content-type"] == f"video/mp4; transfer-syntax={syntax}"
    # As a player begins, and as it seeks.
    for asked, first, last in (("0-", 0, len(stream) - 1), ("1000000-1000099", 10**6, 10**6 + 99)):
        part = client.get(
            f"{file.path}/{resource}?accept=video/mp4", headers={"Range": f"bytes={asked}"}
        )
        assert part.status_code == 206
        assert part.content == stream[first : last + 1]
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(stream)}"
    octets = client.get(f"{file.path}/{resource}", headers={"Accept": OCTETS})
    assert octets.content == stream


def test_a_document_comes_as_what_it_is(client: httpx.Client) -> None:
    file = STORED["pdf"]
    document = file.dataset.EncapsulatedDocument
    (found,) = client.get(f"{file.path}/metadata").json()
    uri = found["00420011"]["BulkDataURI"]
    pdf = client.get(uri, headers={"Accept": "application/pdf"})
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content == document[: file.dataset.get("EncapsulatedDocumentLength", len(document))]
    assert client.get(uri, headers={"Accept": OCTETS}).content == document
    part = client.get(uri, headers={"Accept": "application/pdf", "Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, document[:8])


@pytest.mark.parametrize("level", ["study", "series", "path"])
@pytest.mark.parametrize(
    ("name", "media_type"), [("pdf", "application/pdf"), ("video", "video/mp4")]
)
def test_documents_and_videos_are_shown_as_they_are(
    client: httpx.Client, level: str, name: str, media_type: str
) -> None:
    file = STORED[name]
    document = file.dataset.get("EncapsulatedDocument", b"")
    whole = document[: file.dataset.get("EncapsulatedDocumentLength", len(document))]
    if name == "video":
        (whole,) = generate_frames(file.dataset.PixelData, number_of_frames=1)
    url = f"{getattr(file, level)}/rendered"
    # As a browser asks for what a page embeds, by name, and saying nothing.
    for accept in ("text/html,application/xml;q=0.9,*/*;q=0.8", media_type, ""):
        answer = client.get(url, headers={"Accept": accept})
        assert (answer.status_code, answer.content) == (200, whole)
        assert answer.headers["content-type"] == media_type
    again = client.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    part = client.get(url, headers={"Range": "bytes=4-11"})
    assert (part.status_code, part.content) == (206, whole[4:12])
    refused = client.get(url, headers={"Accept": "image/jpeg"})
    assert refused.status_code == 406
    assert refused.text == f"The request headers are not acceptable. Possible: {media_type}."
    small = client.get(f"{getattr(file, level)}/thumbnail")
    assert small.status_code == 406
    assert small.text == f"{media_type} has no thumbnail. Retrieve it at /rendered."
    by_uri = client.get("/v2/wado", params=named(file))
    assert (by_uri.status_code, by_uri.content) == (200, whole)


@pytest.mark.parametrize("level", ["study", "series", "path"])
def test_all_bulkdata(client: httpx.Client, level: str) -> None:
    file = STORED["pdf"]
    answer = client.get(f"{getattr(file, level)}/bulkdata")
    (part,) = related.parts(answer)
    assert part.content == file.dataset.EncapsulatedDocument
    assert part.content_type == OCTETS
    (found,) = client.get(f"{file.path}/metadata").json()
    uri = found["00420011"]["BulkDataURI"]
    assert f"\r\nContent-Location: {uri}\r\n".encode() in answer.content
    single = client.get(f"{getattr(file, level)}/bulkdata", headers={"Accept": OCTETS})
    assert single.content == part.content
    none = client.get(f"{CTS[0].study}/bulkdata")
    assert (none.status_code, none.text) == (404, "The specified bulkdata cannot be found.")


def test_a_study_as_a_zip(client: httpx.Client) -> None:
    answer = client.get(CTS[0].study, headers={"Accept": "application/zip"})
    assert answer.headers["content-length"] == str(len(answer.content))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        assert file.testzip() is None
        assert [file.read(name) for name in file.namelist()] == [each.content for each in CTS]


def test_metadata_as_xml_and_of_some_fields(client: httpx.Client) -> None:
    file = STORED["jpeg"]
    accept = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    (part,) = related.parts(client.get(f"{file.study}/metadata", headers=accept))
    assert b'keyword="NumberOfFrames"><Value number="1">30</Value>' in part.content
    (found,) = client.get(f"{file.path}/metadata?includefield=NumberOfFrames,Rows").json()
    assert found["00280008"]["Value"] == [file.dataset.NumberOfFrames]
    assert "00280011" not in found


def test_an_instance_by_uri(client: httpx.Client) -> None:
    file = STORED["jpeg"]
    answer = client.get("/v2/wado", params={**named(file), "contentType": "application/dicom"})
    assert (answer.status_code, answer.content) == (200, file.content)


@pytest.mark.parametrize(
    ("asked", "rendered"),
    [
        ({}, ""),
        ({"contentType": "image/png"}, "?accept=image/png"),
        ({"contentType": "text/x,image/png"}, "?accept=image/png"),
        ({"frameNumber": "7", "imageQuality": "50"}, "frames/7/?quality=50"),
        ({"rows": "60"}, "?viewport=16384,60"),
        ({"columns": "80"}, "?viewport=80,16384"),
        ({"rows": "60", "columns": "60"}, "?viewport=60,60"),
        (
            {"rows": "120", "columns": "160", "region": "0.5,0.25,1,0.75"},
            "?viewport=160,120,160,60,160,120",
        ),
        ({"region": "0.25,0,0.5,1"}, "?viewport=80,240,80,0,80,240"),
        ({"contentType": "image/gif"}, "?accept=image/gif"),
    ],
)
def test_a_picture_by_uri(client: httpx.Client, asked: dict[str, str], rendered: str) -> None:
    file = STORED["jpeg"]
    frames, _, query = rendered.rpartition("?")
    same = client.get(f"{file.path}/{frames}rendered?{query}")
    answer = client.get("/v2/wado", params={**named(file), **asked})
    assert (answer.status_code, answer.content) == (200, same.content)
    assert answer.headers["content-type"] == same.headers["content-type"]


def test_a_window_by_uri(client: httpx.Client) -> None:
    file = CTS[0]
    window = {"windowCenter": "40.5", "windowWidth": "400"}
    answer = client.get("/v2/wado", params={**named(file), **window})
    same = client.get(f"{file.path}/rendered?window=40.5,400")
    assert (answer.status_code, answer.content) == (200, same.content)
    assert answer.content != client.get(f"{file.path}/rendered").content


@pytest.mark.parametrize(
    ("asked", "status", "text"),
    [
        ({"frameNumber": "0"}, 400, "frameNumber is a whole number from 1 to 2147483647."),
        ({"frameNumber": "99999999999"}, 400, "frameNumber is a whole number"),
        ({"frameNumber": "31"}, 404, "The specified frame cannot be found."),
        ({"imageQuality": "101"}, 400, "imageQuality is a whole number from 1 to 100."),
        ({"rows": "x"}, 400, "rows is a whole number from 1 to 16384."),
        ({"columns": "16385"}, 400, "columns is a whole number"),
        ({"region": "0,0,1"}, 400, "region is xmin,ymin,xmax,ymax"),
        ({"region": "0.5,0,0.5,1"}, 400, "region is xmin"),
        ({"region": "0,0,1,1.1"}, 400, "region is xmin"),
        ({"windowCenter": "1"}, 400, "windowCenter and windowWidth are two numbers"),
        ({"windowCenter": "1", "windowWidth": "0"}, 400, "windowCenter and"),
        ({"contentType": "image/svg+xml"}, 406, "The request headers are not acceptable."),
    ],
)
def test_what_no_picture_is_made_of(
    client: httpx.Client, asked: dict[str, str], status: int, text: str
) -> None:
    answer = client.get("/v2/wado", params={**named(STORED["jpeg"]), **asked})
    assert answer.status_code == status
    assert answer.text.startswith(text)


def test_an_instance_is_resumed(client: httpx.Client) -> None:
    file = STORED["video"]
    headers = {"Accept": "application/dicom"}
    with client.stream("GET", file.path, headers=headers) as begun:
        got = next(begun.iter_bytes(100_000))
    asked = {**headers, "Range": f"bytes={len(got)}-", "If-Range": begun.headers["etag"]}
    rest = client.get(file.path, headers=asked)
    assert rest.status_code == 206
    assert got + rest.content == file.content
