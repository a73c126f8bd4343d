"""Retrieve over a real socket: requests and answers as the model's.

Numbers in test names are lines of the reference's acceptance checklist. Where the model refuses
what PS3.18 allows, the answer is the standard's; CONFORMANCE.md lists these.
"""

import io
from collections.abc import Iterator

import httpx
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from pydicom.uid import JPEG2000Lossless

from longshore.dicomweb import native_xml_reader
from tests.support import synthetic
from tests.support.corpus import CORPUS
from tests.support.related import parts
from tests.support.service import running

SLICE = CORPUS / "files/cornerstone3d/CT1_J2KR"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_2000 = str(JPEG2000Lossless)
STUDY_UID, SERIES_UID, SOP_UID = synthetic.uids(1)
STUDY = f"/v2/studies/{STUDY_UID}"
SERIES = f"{STUDY}/series/{SERIES_UID}"
INSTANCE = f"{SERIES}/instances/{SOP_UID}"
DICOM_PARTS = 'multipart/related; type="application/dicom"'
OCTET_PARTS = 'multipart/related; type="application/octet-stream"'
NOWHERE = "/v2/studies/1.2.3.4.5"


def stored(client: httpx.Client, content: bytes) -> str:
    """Stores an instance; returns its path."""
    headers = {"Content-Type": "application/dicom", "Accept": "application/dicom+json"}
    answer = client.post("/v2/studies", content=content, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    return httpx.URL(answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]).path


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        running(tmp_path_factory.mktemp("retrieve") / "data") as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        for number in (1, 2):
            stored(client, synthetic.ct(number))
        yield client


@pytest.fixture(scope="module")
def jpeg_2000(client: httpx.Client) -> str:
    return stored(client, (CORPUS / "files/pydicom/MR_small_jp2klossless.dcm").read_bytes())


@pytest.fixture(scope="module")
def video(client: httpx.Client) -> str:
    [file] = (CORPUS / "made_here").glob("*.dcm")
    return stored(client, file.read_bytes())


def get(client: httpx.Client, path: str, accept: str | None) -> httpx.Response:
    request = client.build_request("GET", path)
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    return client.send(request)


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
def test_56_63_72_all_instances_as_parts(client: httpx.Client, path: str) -> None:
    for accept in (f"{DICOM_PARTS}; transfer-syntax=*", DICOM_PARTS.replace('"', "")):
        answer = get(client, path, accept)
        assert answer.status_code == 200
        found = parts(answer)
        assert len(found) == (1 if path == INSTANCE else 2)
        for part in found:
            assert part.content_type == f"application/dicom; transfer-syntax={EXPLICIT}"
            assert part.content in (synthetic.ct(1), synthetic.ct(2))


@pytest.mark.parametrize("path", [STUDY, SERIES])
def test_57_58_63_an_explicit_syntax_of_several_is_served(client: httpx.Client, path: str) -> None:
    answer = get(client, path, f"{DICOM_PARTS}; transfer-syntax={EXPLICIT}")
    assert answer.status_code == 200
    assert len(parts(answer)) == 2
    answer = get(client, path, f"{DICOM_PARTS}; transfer-syntax={JPEG_2000}")
    assert answer.status_code == 200
    for part in parts(answer):
        dataset = pydicom.dcmread(io.BytesIO(part.content))
        assert dataset.file_meta.TransferSyntaxUID == JPEG_2000
        number = int(dataset.InstanceNumber or 1)
        original = pydicom.dcmread(io.BytesIO(synthetic.ct(number)))
        assert np.array_equal(dataset.pixel_array, original.pixel_array)


def test_59_63_jpeg_2000_without_a_syntax_is_decoded(client: httpx.Client, jpeg_2000: str) -> None:
    for path in (jpeg_2000.partition("/series/")[0], jpeg_2000.partition("/instances/")[0]):
        answer = get(client, path, DICOM_PARTS)
        assert answer.status_code == 200
        [part] = parts(answer)
        assert part.content_type == f"application/dicom; transfer-syntax={EXPLICIT}"
        dataset = pydicom.dcmread(io.BytesIO(part.content))
        assert dataset.file_meta.TransferSyntaxUID == EXPLICIT


def test_60_encoded_as_jpeg_2000(client: httpx.Client) -> None:
    answer = get(client, INSTANCE, f"{DICOM_PARTS}; transfer-syntax={JPEG_2000}")
    assert answer.status_code == 200
    [part] = parts(answer)
    assert part.content_type == f"application/dicom; transfer-syntax={JPEG_2000}"


@pytest.mark.parametrize("path", [STUDY, SERIES])
def test_61_62_63_what_does_not_fit(client: httpx.Client, path: str) -> None:
    for accept in ("application/dicom", OCTET_PARTS):
        answer = get(client, path, accept)
        assert answer.status_code == 406
        assert "Possible: " in answer.text


def test_64_65_one_instance(client: httpx.Client) -> None:
    answer = get(client, INSTANCE, "application/dicom; transfer-syntax=*")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert answer.content == synthetic.ct(1)
    answer = get(client, INSTANCE, DICOM_PARTS)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("multipart/related")


def test_66_67_what_cannot_be_made(client: httpx.Client, video: str) -> None:
    unknown = "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.100"
    assert get(client, INSTANCE, unknown).status_code == 406
    # The model refuses the default here; as stored serves everyone who can read it.
    assert get(client, video, "application/dicom").status_code == 200
    asked = f"application/dicom; transfer-syntax={EXPLICIT}"
    assert get(client, video, asked).status_code == 406
    assert get(client, video, "application/dicom; transfer-syntax=*").status_code == 200


@pytest.mark.parametrize(
    "path", [NOWHERE, f"{STUDY}/series/1.2.3", f"{SERIES}/instances/1.2.3", f"{NOWHERE}/series/1.2"]
)
def test_68_90_what_is_not_there(client: httpx.Client, path: str) -> None:
    assert get(client, path, f"{DICOM_PARTS}; transfer-syntax=*").status_code == 404
    assert get(client, f"{path}/metadata", "application/dicom+json").status_code == 404


def test_69_an_instance_without_pixels(client: httpx.Client) -> None:
    dataset = pydicom.dcmread(io.BytesIO(synthetic.ct(3)))
    del dataset.PixelData
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    path = stored(client, buffer.getvalue())
    for syntax in ("*", EXPLICIT, JPEG_2000):
        assert get(client, path, f"application/dicom; transfer-syntax={syntax}").status_code == 200
    assert client.delete(path).status_code == 204


def test_70_without_accept_there_is_a_default(client: httpx.Client) -> None:
    answer = get(client, INSTANCE, None)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("multipart/related")


def test_71_a_uid_that_is_none(client: httpx.Client) -> None:
    assert get(client, "/v2/studies/abc", None).status_code == 400


def test_73_74_76_frames_as_parts(client: httpx.Client, jpeg_2000: str) -> None:
    answer = get(client, f"{INSTANCE}/frames/1", f"{OCTET_PARTS}; transfer-syntax=*")
    assert answer.status_code == 200
    answer = get(client, f"{jpeg_2000}/frames/1", "*/*")
    [part] = parts(answer)
    assert part.content_type == f"application/octet-stream; transfer-syntax={JPEG_2000}"
    answer = get(client, f"{jpeg_2000}/frames/1,1", f"{OCTET_PARTS}; transfer-syntax={EXPLICIT}")
    dataset = pydicom.dcmread(CORPUS / "files/pydicom/MR_small_jp2klossless.dcm")
    assert [part.content for part in parts(answer)] == [dataset.pixel_array.tobytes()] * 2


def test_75_a_frame_as_jpeg_2000(client: httpx.Client) -> None:
    answer = get(client, f"{INSTANCE}/frames/1", 'multipart/related; type="image/jp2"')
    assert answer.status_code == 200
    [part] = parts(answer)
    assert part.content_type == f"image/jp2; transfer-syntax={JPEG_2000}"
    assert part.content.startswith(b"\xff\x4f\xff\x51")


def test_77_78_79_numbers_of_frames(client: httpx.Client) -> None:
    single = "application/octet-stream"
    answer = get(client, f"{INSTANCE}/frames/1", single)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{single}; transfer-syntax={EXPLICIT}"
    assert get(client, f"{INSTANCE}/frames/1,2", single).status_code in (400, 404)
    for numbers in ("0", "-1", "0,1", "a"):
        assert get(client, f"{INSTANCE}/frames/{numbers}", OCTET_PARTS).status_code == 400
    for number in (2, 2**31, 2**64):
        assert get(client, f"{INSTANCE}/frames/{number}", OCTET_PARTS).status_code == 404


def test_80_a_frame_of_video(client: httpx.Client, video: str) -> None:
    asked = f"{OCTET_PARTS}; transfer-syntax="
    assert get(client, f"{video}/frames/1", asked + EXPLICIT).status_code == 406
    assert get(client, f"{video}/frames/1", asked + "*").status_code == 200


@pytest.mark.parametrize(
    "media_type", ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"]
)
@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE, f"{INSTANCE}/frames/1"])
def test_81_rendered(client: httpx.Client, path: str, media_type: str) -> None:
    answer = get(client, f"{path}/rendered", media_type)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    picture = Image.open(io.BytesIO(answer.content))
    assert Image.MIME[picture.format or ""] == media_type
    dataset = pydicom.dcmread(io.BytesIO(synthetic.ct(1)))
    assert picture.size == (dataset.Columns, dataset.Rows)
    head = client.head(f"{path}/rendered", headers={"Accept": media_type})
    assert head.content == b""
    assert head.headers["content-length"] == answer.headers["content-length"]


def test_82_83_the_default_is_jpeg(client: httpx.Client) -> None:
    answer = get(client, f"{INSTANCE}/frames/1/rendered", None)
    assert answer.headers["content-type"] == "image/jpeg"
    assert get(client, f"{INSTANCE}/frames/2/rendered", None).status_code == 404


def test_84_quality(client: httpx.Client) -> None:
    path = f"{INSTANCE}/frames/1/rendered"
    worst, best = (get(client, f"{path}?quality={number}", "image/jpeg") for number in (1, 100))
    assert worst.status_code == best.status_code == 200
    assert len(worst.content) < len(best.content)
    for bad in ("0", "101", "x", "", "1.5"):
        answer = get(client, f"{path}?quality={bad}", "image/jpeg")
        assert (answer.status_code, answer.text) == (
            400,
            "Image quality must be between 1 and 100 inclusive",
        )


def test_85_the_first_of_several_that_can_be_made(client: httpx.Client) -> None:
    answer = get(client, f"{INSTANCE}/rendered", "image/png;q=0.5, video/mp4, image/webp;q=0.9")
    assert answer.headers["content-type"] == "image/webp"
    answer = get(client, f"{INSTANCE}/rendered", "text/html")
    assert answer.status_code == 406
    assert "image/png" in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "window=", "window=1,0", "window=x,1", "window=1,2,cubic", "window=1,nan",
        "window=1,2,linear,3", "viewport=0,1", "viewport=1", "viewport=1,1,1,1", "viewport=99999,1",
        "viewport=1,1,-1,0,1,1", "viewport=1,1,0,0,0,1", "viewport=a,b", "iccprofile=rommrgb",
    ],
)  # fmt: skip
def test_impossible_parameters_are_refused(client: httpx.Client, query: str) -> None:
    answer = get(client, f"{INSTANCE}/rendered?{query}", None)
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.text


@pytest.fixture(scope="module")
def slice_path(client: httpx.Client) -> str:
    return stored(client, SLICE.read_bytes())


def grey(client: httpx.Client, path: str, query: str) -> npt.NDArray[np.uint8]:
    answer = get(client, f"{path}/rendered?{query}", "image/png")
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_windows(client: httpx.Client, slice_path: str) -> None:
    dataset = pydicom.dcmread(SLICE)
    slope, intercept = (dataset.get(name) for name in ("RescaleSlope", "RescaleIntercept"))
    values = dataset.pixel_array * float(slope or 1) + float(intercept or 0)
    center = float(np.median(values))
    # PS3.3 C.11.2.1.2.1, C.11.2.1.3.2 and C.11.2.1.3.1, written out.
    linear = np.clip(((values - (center - 0.5)) / (300.0 - 1) + 0.5) * 255, 0, 255)
    exact = np.clip(((values - center) / 300.0 + 0.5) * 255, 0, 255)
    sigmoid = 255 / (1 + np.exp(-4 * (values - center) / 300.0))
    for shape, wanted in (("", linear), (",linear-exact", exact), (",sigmoid", sigmoid)):
        found = grey(client, slice_path, f"window={center},300{shape}").astype(float)
        assert np.abs(found - wanted).max() <= 1, shape


def test_windows_by_name(client: httpx.Client) -> None:
    file = CORPUS / "files/pydicom/examples_overlay.dcm"
    path = stored(client, file.read_bytes())
    dataset = pydicom.dcmread(file, stop_before_pixels=True)
    assert list(dataset.WindowCenterWidthExplanation) == ["WINDOW1", "WINDOW2"]
    for at, (center, width) in enumerate(
        zip(dataset.WindowCenter, dataset.WindowWidth, strict=True)
    ):
        wanted = grey(client, path, f"window={center},{width}")
        for name in (f"WINDOW{at + 1}", f"window{at + 1}", str(at + 1)):
            assert np.array_equal(grey(client, path, f"window={name}"), wanted), name
    assert not np.array_equal(grey(client, path, "window=1"), grey(client, path, "window=2"))
    for missing in ("LUNG", "3", "0"):
        answer = get(client, f"{path}/rendered?window={missing}", None)
        assert answer.status_code == 400
        assert "(0028,1055)" in answer.text


def test_viewports(client: httpx.Client, slice_path: str) -> None:
    whole = grey(client, slice_path, "window=0,4000")
    assert len(np.unique(whole)) > 50
    rows, columns = whole.shape
    half = columns // 2
    part = grey(client, slice_path, f"window=0,4000&viewport={half},{rows},0,0,{half},{rows}")
    assert np.array_equal(part, whole[:, :half])
    turned = f"window=0,4000&viewport={columns},{rows},0,0,-{columns},{rows}"
    mirrored = grey(client, slice_path, turned)
    assert np.array_equal(mirrored, whole[:, ::-1])
    small = grey(client, slice_path, "viewport=50,1000")
    assert small.shape == (round(rows * 50 / columns), 50)
    # What lies outside the image.
    outside = f"{slice_path}/rendered?viewport=10,10,{columns},0,10,10"
    assert get(client, outside, None).status_code == 406


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE, f"{INSTANCE}/frames/1"])
def test_thumbnails_and_their_tags(client: httpx.Client, path: str) -> None:
    answer = client.get(f"{path}/thumbnail?accept=image/jpeg", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert max(Image.open(io.BytesIO(answer.content)).size) == 200
    tag = answer.headers["etag"]
    again = client.get(f"{path}/thumbnail", headers={"Accept": "image/jpeg", "If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"{path}/thumbnail?viewport=64,64", headers={"Accept": "image/jpeg"})
    assert other.headers["etag"] != tag
    assert max(Image.open(io.BytesIO(other.content)).size) == 64


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
def test_86_87_metadata(client: httpx.Client, path: str) -> None:
    answer = get(client, f"{path}/metadata", "application/dicom+json")
    assert answer.status_code == 200
    assert len(answer.json()) == (1 if path == INSTANCE else 2)
    assert not any("7FE00010" in each for each in answer.json())
    assert get(client, f"{path}/metadata", "application/dicom").status_code == 406


@pytest.mark.parametrize("path", [STUDY, SERIES])
def test_88_89_tags_of_metadata(client: httpx.Client, path: str) -> None:
    first = get(client, f"{path}/metadata", None).headers["etag"]

    def status(tag: str) -> int:
        headers = {"If-None-Match": tag}
        return client.get(f"{path}/metadata", headers=headers).status_code

    assert status(first) == 304
    third = stored(client, synthetic.ct(4))
    assert status(first) == 200
    second = get(client, f"{path}/metadata", None).headers["etag"]
    assert second != first
    assert client.delete(third).status_code == 204
    assert status(second) == 200


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
@pytest.mark.parametrize(
    "accept", ['multipart/related; type="application/dicom+xml"', "application/dicom+xml"]
)
def test_metadata_in_xml_says_what_json_says(client: httpx.Client, path: str, accept: str) -> None:
    described = get(client, f"{path}/metadata", "application/dicom+json").json()
    answer = get(client, f"{path}/metadata", accept)
    assert answer.status_code == 200
    if answer.headers["content-type"] == accept:
        # One instance may come without parts.
        assert path == INSTANCE
        assert [native_xml_reader.read(answer.content)] == described
        return
    assert answer.headers["content-type"].endswith('type="application/dicom+xml"')
    found = parts(answer)
    assert {part.content_type for part in found} == {"application/dicom+xml"}
    assert [native_xml_reader.read(part.content) for part in found] == described


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
def test_metadata_of_some_attributes(client: httpx.Client, path: str) -> None:
    whole = get(client, f"{path}/metadata", None)
    some = get(client, f"{path}/metadata?includefield=PatientID,00200013&includefield=Rows", None)
    wanted = {
        "00080005",
        "00080016",
        "00080018",
        "0020000D",
        "0020000E",
        "00100020",
        "00200013",
        "00280010",
    }
    assert some.json() == [
        {tag: element for tag, element in each.items() if tag in wanted} for each in whole.json()
    ]
    assert some.headers["etag"] != whole.headers["etag"]
    everything = get(client, f"{path}/metadata?includefield=all", None)
    assert everything.json() == whole.json()
